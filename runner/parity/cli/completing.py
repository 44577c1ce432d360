"""What a shell completes: names from the config or the run folder that stands on the line already.

A line that is being written is often wrong. Then there is nothing to complete, and no message.
"""

import json
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import typer

MOST_BYTES = 4 << 20
"""Of a config or a `run.json`: nobody waits for a longer one at a prompt."""


def runtimes(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of the runtimes of CONFIG. Names that are written already, with commas between, stay before the last."""
    before, comma, last = incomplete.rpartition(",")
    tables = _config(ctx).get("runtimes")
    names = tables if isinstance(tables, dict) else ()
    return [f"{before}{comma}{name}" for name in _beginning(names, last) if name not in before.split(",")]


def tests(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of the tests of CONFIG."""
    return _beginning(_names(_config(ctx).get("tests")), incomplete)


def cells(ctx: typer.Context, incomplete: str) -> list[str]:
    """`TEST/RUNTIME` of RUN, with the model before it where there are several."""
    loaded = _config_of_run(ctx)
    models = list(_names(loaded.get("models")))
    tables = loaded.get("runtimes")
    known = [f"{test}/{runtime}" for test in _names(loaded.get("tests")) for runtime in tables or ()]
    if len(models) > 1:
        known = [f"{model}/{cell}" for model in models for cell in known]
    return _beginning(known, incomplete)


def metrics(incomplete: str) -> list[str]:
    """The metrics that there are."""
    from parity.records.metrics import METRIC_NAMES

    return _beginning(METRIC_NAMES, incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _names(tables: Any) -> Iterator[str]:
    """The names of tables in an array."""
    for table in tables if isinstance(tables, list) else ():
        if isinstance(table, dict) and isinstance(table.get("name"), str):
            yield table["name"]


def _config(ctx: typer.Context) -> dict[str, Any]:
    """The config on the line, as it is written; empty where there is none that can be read."""
    # Behind an option whose value is being written, nothing has been made of the words yet.
    words = [ctx.params.get("config"), *ctx.args]
    found = (_parsed(_text(Path(str(word)))) for word in words if word)
    return next(filter(None, found), {})


def _config_of_run(ctx: typer.Context) -> dict[str, Any]:
    named = ctx.params.get("run")
    if not named:
        return {}
    try:
        return _parsed(json.loads(_text(Path(str(named)) / "run.json"))["loaded"]["text"])
    except (ValueError, KeyError, TypeError):
        return {}


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, TypeError, AttributeError):
        return {}


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return file.read(MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
