"""The models of a config: where each source lies, and what is known of it once it is here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from parity.config import LoadedConfig, ModelConfig
from parity.errors import ConfigError, ModelError, Problem
from parity.models import Watch, check_pin, locate, model_facts, silent
from parity.records import ModelFacts
from parity.run.progress import Progress

Found = TypeVar("Found")


@dataclass(frozen=True)
class OwnModel:
    """The model that a runtime names: as `[[models]]` would, under a name that no entry of it can have."""

    name: str
    source: str
    title: str
    sha256: None = None


def locate_models(loaded: LoadedConfig) -> dict[str, Path | None]:
    """Model → where its file lies, None where it must be fetched. Cheap: it fetches nothing.

    Raises:
        ConfigError: with one problem for each source that is malformed, or names a file that isn't there.
    """
    return _of_each(loaded, _models(loaded), lambda model: locate(model.source, loaded.folder))


def locate_own(loaded: LoadedConfig) -> dict[str, Path | None]:
    """The same of the models that runtimes name: runtime → where its own lies. Raises as `locate_models` does."""
    return _of_each(loaded, _own(loaded), lambda model: locate(model.source, loaded.folder))


def check_pins(loaded: LoadedConfig, located: Mapping[str, Path | None], watch: Watch = silent) -> None:
    """Looks whether models that are here have the content that the config pins.

    Raises:
        ConfigError: with one problem for each that has not, or can't be read.
    """

    def check(model: ModelConfig | OwnModel) -> None:
        path = located[model.name]
        if path is not None and model.sha256 is not None:
            check_pin(path, model.sha256, watch)

    _of_each(loaded, _models(loaded), check)


def resolve_models(loaded: LoadedConfig, progress: Progress) -> tuple[ModelFacts, ...]:
    """Fetches, hashes and inspects every model of the config.

    Raises:
        ConfigError: with one problem for each model that can't be fetched or read.
    """

    return tuple(_of_each(loaded, _models(loaded), partial(_resolved, loaded, progress)).values())


def resolve_own(loaded: LoadedConfig, progress: Progress) -> dict[str, ModelFacts]:
    """The same of the models that runtimes name: runtime → its own. Raises as `resolve_models` does."""
    return _of_each(loaded, _own(loaded), partial(_resolved, loaded, progress))


def _resolved(loaded: LoadedConfig, progress: Progress, model: ModelConfig | OwnModel) -> ModelFacts:
    title, pin, watch = model.title or model.name, model.sha256, progress.fetched
    return model_facts(model.name, title, model.source, base=loaded.folder, sha256=pin, watch=watch)


Named = Mapping[str, tuple[str, ModelConfig | OwnModel]]
"""Model or runtime → the key that names its source, and the model."""


def _models(loaded: LoadedConfig) -> Named:
    return {model.name: (f"models.{model.name}.source", model) for model in loaded.config.models}


def _own(loaded: LoadedConfig) -> Named:
    found: dict[str, tuple[str, ModelConfig | OwnModel]] = {}
    for name, runtime in loaded.config.runtimes.items():
        if runtime.model is not None and name not in loaded.not_set:
            own = OwnModel(f"{loaded.config.models[0].name}@{name}", runtime.model, _title_of(runtime.model))
            found[name] = f"runtimes.{name}.model", own
    return found


def _title_of(source: str) -> str:
    """What a report calls the model of a source: the last part of its address."""
    return source.rstrip("/").rpartition("/")[2].removesuffix(".gguf") or source


def _of_each(loaded: LoadedConfig, named: Named, find: Callable[[ModelConfig | OwnModel], Found]) -> dict[str, Found]:
    """What was found for each name, in the order of the config; all that went wrong is told at once."""
    found: dict[str, Found] = {}
    problems: list[Problem] = []
    for name, (key, model) in named.items():
        try:
            found[name] = find(model)
        except ModelError as error:
            problems.append(Problem(key, error.wrong, error.remedy))
    if problems:
        raise ConfigError(loaded.file, problems)
    return found
