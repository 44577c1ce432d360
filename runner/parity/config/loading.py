"""From a TOML file to a `LoadedConfig`, or every problem at once."""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import Field

from parity.adapter import AdapterSettings
from parity.config.choices import NONE, Choices, changed, named_by_option
from parity.config.complaints import validate
from parity.config.expansion import with_gates_on_groups, with_prompts
from parity.config.names import check_tests, cross_check
from parity.config.prompts import Texts
from parity.config.reading import read_tree, unfit
from parity.config.schema import Config, RuntimeConfig, TestConfig
from parity.config.selecting import selected
from parity.config.variables import interpolate
from parity.errors import ConfigError, Problem
from parity.records import Record, TestSpec
from parity.redaction import learn, secrets_of


class LoadedConfig(Record):
    """A config with where it came from. `text` is the file as it stood; `sha256` is of that text, of `texts` and of the
    options."""

    file: str
    text: str
    sha256: str
    config: Config = Field(description="with the prompt in every test, and a test for each prompt of a file or set")
    settings: dict[str, dict[str, Any]] = Field(description="runtime → its adapter's validated table")
    secrets: tuple[str, ...] = Field(default=(), exclude=True, repr=False, description="values that may not be kept")
    not_set: tuple[str, ...] = Field(default=(), description="optional runtimes with an empty setting")
    sent: dict[str, str] = Field(default_factory=dict, description="test → the composed text, where `prompt_as` is set")
    texts: dict[str, str] = Field(
        default_factory=dict, description="`prompt_file` or `prompts` of a test → the text that was read there"
    )
    masked: tuple[str, ...] | None = Field(
        default=None, description="those of `texts` of which a secret is left out; null: not known"
    )
    choices: Choices = Field(default=NONE, description="the options that changed the config, or selected some of it")
    whole: Config | None = Field(
        default=None, description="the config before a part of it was selected; null where all of it was"
    )

    @property
    def folder(self) -> Path:
        """What relative input paths are relative to."""
        return Path(self.file).parent

    @property
    def set_runtimes(self) -> tuple[str, ...]:
        """Every runtime but those in `not_set`."""
        return tuple(name for name in self.config.runtimes if name not in self.not_set)

    def why_not_set(self, runtime: str) -> str:
        """Of a runtime in `not_set`."""
        empty = " and ".join(f"`{key}`" for key, value in self.settings[runtime].items() if value == "")
        return f"it is optional, and its setting {empty} is empty"


SettingsOf = Callable[[str], type[AdapterSettings]]
"""Gives the settings table of an adapter; raises `LookupError` with a remedy for an unknown one. One that is
`installed` and can't be loaded costs its own runtime alone, so that its keys stay unread."""


PromptAs = Callable[[str, str], str]
"""(adapter, prompt) → the text that its runtime really sends; raises `LookupError` as `SettingsOf` does."""


def as_it_stands(adapter: str, prompt: str) -> str:
    """The prompt hook of a program that knows no adapters."""
    raise LookupError("prompts can't be composed here", "leave out `prompt_as`")


def load_config(
    path: Path,
    settings_of: SettingsOf,
    environ: Mapping[str, str] = os.environ,
    *,
    prompt_as: PromptAs = as_it_stands,
    texts: Mapping[str, str] | None = None,
    choices: Choices = NONE,
    text: str | None = None,
) -> LoadedConfig:
    """Reads, interpolates and validates a config, with what the options change in it or select of it. `texts`: what was
    read of files of prompts earlier; they are not read again. `text`: what stands at the path, where nothing does yet.

    Raises:
        ConfigError: with every problem found, each naming its key, or the option that set it, and what would be right.
    """
    text, tree = read_tree(path, text)
    problems: list[Problem] = []
    told = changed(tree, choices, problems)
    problems += unfit(tree)
    if problems:
        raise ConfigError(str(path), [named_by_option(problem, told) for problem in problems])
    used: dict[str, str] = {}
    tree = cast("dict[str, Any]", interpolate(tree, environ, problems, used))
    # What is complained of below may quote values.
    learn(secrets_of(used))
    tree.setdefault("name", path.stem)
    tables = _split_runtimes(tree)
    config = validate(Config, tree, (), problems)
    outside = Texts(path.parent, texts or {})
    if config is not None:
        problems += check_tests(config)
        config, groups = with_prompts(config, outside, problems)
        problems += cross_check(config, groups)
        config = with_gates_on_groups(config, groups)
    settings: dict[str, dict[str, Any]] = {}
    not_set: list[str] = []
    end_at_mark: set[str] = set()
    for name, (common, own) in tables.items():
        if common.get("optional") is True and any(value == "" for value in own.values()):
            not_set.append(name)
            settings[name] = own
            continue
        settings[name] = own
        if (table := _adapter_settings(name, common, own, settings_of, path.parent, problems)) is not None:
            settings[name] = table.model_dump(mode="json")
            end_at_mark |= {name} if table.ends_at_mark else set()
    if config is not None:
        runtimes = {name: _with_whole_trials(r, name in end_at_mark) for name, r in config.runtimes.items()}
        whole = config = config.but(runtimes=runtimes)
        if not problems:
            config = selected(whole, groups, choices, not_set, problems)
    if config is not None and config.baseline in not_set:
        problems.append(
            Problem(
                "baseline",
                f"{config.baseline!r} is optional and not set",
                "set it, or choose a different baseline",
            )
        )
    sent = _compose(config, prompt_as, problems) if config is not None else {}
    if problems:
        raise ConfigError(str(path), [named_by_option(problem, told) for problem in problems])
    assert config is not None
    return LoadedConfig(
        file=str(path.resolve()),
        text=text,
        sha256=_sha256(text, (*outside.read.values(), *choices.shown)),
        config=config,
        settings={name: settings[name] for name in config.runtimes},
        not_set=tuple(name for name in not_set if name in config.runtimes),
        secrets=tuple(sorted(secrets_of(used))),
        sent=sent,
        texts=outside.read,
        choices=choices,
        whole=whole if config is not whole else None,
    )


def _sha256(text: str, texts: Iterable[str]) -> str:
    """Of a config: of its own text alone if it takes no others from files, and no options were given."""
    digest = hashlib.sha256(text.encode())
    for other in texts:
        digest.update(hashlib.sha256(other.encode()).digest())
    return digest.hexdigest()


def _compose(config: Config, prompt_as: PromptAs, problems: list[Problem]) -> dict[str, str]:
    sent = {}
    for test in config.tests:
        if test.prompt_as is not None and test.prompt is not None:
            try:
                sent[test.name] = prompt_as(test.prompt_as, test.prompt)
            except LookupError as error:
                problems.append(Problem(f"tests.{test.name}.prompt_as", *error.args))
    return sent


def test_spec(loaded: LoadedConfig, test: TestConfig) -> TestSpec:
    """A test of the config as jobs and reports carry it."""
    return TestSpec.model_validate(
        {
            "name": test.name,
            "title": test.shown_as,
            "prompt": loaded.sent.get(test.name, test.prompt),
            "query": test.prompt if test.name in loaded.sent else None,
            "max_tokens": test.max_tokens,
            "raw": test.raw,
            "ignore_end": test.ignore_end,
            "sampling": {
                "temperature": test.temperature,
                "seed": test.seed,
                "top_k": test.top_k,
                "top_p": test.top_p,
            },
        }
    )


def _split_runtimes(tree: dict[str, Any]) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Splits each runtime's table into parity's own keys, which stay in the tree, and the adapter's."""
    runtimes = tree.get("runtimes")
    if not isinstance(runtimes, dict):
        return {}
    own_keys = set(RuntimeConfig.model_fields)
    split = {}
    for name, table in runtimes.items():
        if isinstance(table, dict):
            common = {key: value for key, value in table.items() if key in own_keys}
            split[name] = (common, {key: value for key, value in table.items() if key not in own_keys})
            runtimes[name] = common
    return split


def _adapter_settings(
    runtime: str,
    common: Mapping[str, Any],
    own: dict[str, Any],
    settings_of: SettingsOf,
    folder: Path,
    problems: list[Problem],
) -> AdapterSettings | None:
    adapter = common.get("adapter")
    if not isinstance(adapter, str):
        return None
    try:
        table = settings_of(adapter)
    except LookupError as error:
        if not getattr(error, "installed", False):
            problems.append(Problem(f"runtimes.{runtime}.adapter", *error.args))
        return None
    known = set(RuntimeConfig.model_fields)
    try:
        return validate(table, own, ("runtimes", runtime), problems, also_known=known, folder=folder)
    except Exception as error:
        # A check of another package's settings may raise what pydantic does not take for a complaint.
        wrong = f"the adapter {adapter} failed on its settings ({type(error).__name__}: {error})"
        problems.append(Problem(f"runtimes.{runtime}", wrong, "correct the adapter, or leave the runtime out"))
        return None


def _with_whole_trials(runtime: RuntimeConfig, ends_at_mark: bool) -> RuntimeConfig:
    """With one whole trial where timed trials alone don't show whether the program ends, unless the config says."""
    return runtime if runtime.whole_trials is not None else runtime.but(whole_trials=int(ends_at_mark))
