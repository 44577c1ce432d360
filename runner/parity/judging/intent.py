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
    named = {name: _named(loaded, name) for name in config.implementations}
    return Intent(config.declare, named, strict=config.strict_identity)


def _named(loaded: LoadedConfig, runtime: str) -> Mapping[str, str]:
    """Fact → how the config sets it on the two sides, where a runtime is the baseline's program under other settings:
    the same adapter, and tables that differ only in keys that set facts. Different programs or arguments name no
    fact."""
    config = loaded.config
    if config.runtimes[runtime].adapter != config.runtimes[config.baseline].adapter:
        return {}
    ours, theirs = loaded.settings[runtime], loaded.settings[config.baseline]
    differing = [key for key in dict.fromkeys((*theirs, *ours)) if ours.get(key) != theirs.get(key)]
    if any(key not in FACTS_OF_KEY for key in differing):
        return {}
    return {
        fact: f"set in the config: {_set(key, theirs)} and {_set(key, ours)}"
        for key in differing
        for fact in FACTS_OF_KEY[key]
    }


def _set(key: str, settings: Mapping[str, Any]) -> str:
    value = settings.get(key)
    return f"{key} left out" if value is None else f"{key} = {json.dumps(value)}"
