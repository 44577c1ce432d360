"""The models of a config: where each source lies, and what is known of it once it is here."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from parity.config import LoadedConfig, ModelConfig
from parity.errors import ConfigError, ModelError, Problem
from parity.models import locate, model_facts
from parity.records import ModelFacts
from parity.run.progress import Progress

Found = TypeVar("Found")


def locate_models(loaded: LoadedConfig) -> dict[str, Path | None]:
    """Model → where its file lies, None where it must be fetched. Cheap: it fetches nothing.

    Raises:
        ConfigError: with one problem for each source that is malformed, or names a file that isn't there.
    """
    return _of_each(loaded, lambda model: locate(model.source, loaded.folder))


def resolve_models(loaded: LoadedConfig, progress: Progress) -> tuple[ModelFacts, ...]:
    """Fetches, hashes and inspects every model of the config.

    Raises:
        ConfigError: with one problem for each model that can't be fetched or read.
    """

    def resolve(model: ModelConfig) -> ModelFacts:
        title, pin, watch = model.title or model.name, model.sha256, progress.fetched
        return model_facts(model.name, title, model.source, base=loaded.folder, sha256=pin, watch=watch)

    return tuple(_of_each(loaded, resolve).values())


def _of_each(loaded: LoadedConfig, find: Callable[[ModelConfig], Found]) -> dict[str, Found]:
    """Model → what was found, in the order of the config; all that went wrong is told at once."""
    found: dict[str, Found] = {}
    problems: list[Problem] = []
    for model in loaded.config.models:
        try:
            found[model.name] = find(model)
        except ModelError as error:
            problems.append(Problem(f"models.{model.name}.source", error.wrong, error.remedy))
    if problems:
        raise ConfigError(loaded.file, problems)
    return found
