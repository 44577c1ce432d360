"""The differences that a config declares: in `[[declare]]`, or by setting one runtime up in two ways. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from parity.compare import Intent
from parity.config import LoadedConfig
from parity.reading.facts import FACTS_OF_KEY


def intent_of(loaded: LoadedConfig) -> Intent:
    """The declared differences of a config."""
    config = loaded.config
    named = {name: {**_named(loaded, name), **_own_model(loaded, name)} for name in config.implementations}
    own = frozenset(name for name in config.implementations if config.runtimes[name].model is not None)
    return Intent(config.declare, named, strict=config.strict_identity, own=own)


def _own_model(loaded: LoadedConfig, runtime: str) -> Mapping[str, str]:
    """That the weights differ on purpose, where a runtime is the baseline's program with a model of its own."""
    ours = loaded.config.runtimes[runtime]
    if ours.model is None or _differing(loaded, runtime) is None:
        return {}
    return {"weights": f"set in the config: {loaded.config.models[0].source} and model = {json.dumps(ours.model)}"}


def _named(loaded: LoadedConfig, runtime: str) -> Mapping[str, str]:
    """Fact → how the config sets it on the two sides, where a runtime is the baseline's program under other settings.
    Different programs or arguments name no fact."""
    ours, theirs = loaded.settings[runtime], loaded.settings[loaded.config.baseline]
    return {
        fact: f"set in the config: {_set(key, theirs)} and {_set(key, ours)}"
        for key in _differing(loaded, runtime) or ()
        for fact in FACTS_OF_KEY[key]
    }


def _differing(loaded: LoadedConfig, runtime: str) -> list[str] | None:
    """The keys in which a runtime's table differs from the baseline's; None where they are not the same program: the
    adapters differ, or a key that sets no fact does."""
    config = loaded.config
    if config.runtimes[runtime].adapter != config.runtimes[config.baseline].adapter:
        return None
    ours, theirs = loaded.settings[runtime], loaded.settings[config.baseline]
    differing = [key for key in dict.fromkeys((*theirs, *ours)) if ours.get(key) != theirs.get(key)]
    return differing if all(key in FACTS_OF_KEY for key in differing) else None


def _set(key: str, settings: Mapping[str, Any]) -> str:
    value = settings.get(key)
    return f"{key} left out" if value is None else f"{key} = {json.dumps(value)}"
