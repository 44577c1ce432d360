"""From a file to a tree of TOML values that every later stage can take: bounded in size, depth and numbers."""

from collections.abc import Iterator
from datetime import date, time
from pathlib import Path
from typing import Any

import tomli

from parity.config.complaints import key_path
from parity.config.files import TextFileError, read_text
from parity.config.mistaken import other_format
from parity.config.snippets import SNIPPETS
from parity.errors import ConfigError, Problem

LARGEST_BYTES = 1024 * 1024
"""Of a config: prompts that are longer stand in files of their own."""

MOST_LEVELS = 20
"""Of tables and arrays within each other; no key needs more than six."""

Loc = tuple[str | int, ...]


def read_tree(path: Path, text: str | None = None) -> tuple[str, dict[str, Any]]:
    """A config's text, and what it says. `text`: in place of what stands at the path.

    Raises:
        ConfigError: it can't be read, is no TOML, or holds a value that no key takes.
    """
    try:
        if text is None:
            text = read_text(path, "TOML file", "configs/quickstart.toml", LARGEST_BYTES)
    except TextFileError as error:
        raise ConfigError(str(path), [Problem("config", error.wrong, error.remedy)]) from error
    try:
        str(path.resolve()).encode()
    except UnicodeEncodeError as error:
        wrong, remedy = "the path is not UTF-8, and run folders record it", "rename the folder or the file"
        raise ConfigError(str(path), [Problem("config", wrong, remedy)]) from error
    tree = _parse(path, text)
    if problems := list(unfit(tree)):
        raise ConfigError(str(path), problems)
    return text, tree


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        wrong, remedy = f"is not valid TOML: {error}", "fix the line that the message names"
        if other := other_format(text):
            wrong, remedy = (
                f"is {other}, and a config is TOML",
                "write it like this:\n"
                + "\n\n".join(SNIPPETS[key] for key in ("baseline", "models", "tests", "runtimes")),
            )
    except RecursionError:
        wrong, remedy = "has tables or arrays that are nested too deeply", f"nest at most {MOST_LEVELS} levels"
    except ValueError as error:
        # Python reads no integer of thousands of digits.
        wrong, remedy = f"holds a number that can't be read ({error})", "write a smaller number"
    raise ConfigError(str(path), [Problem("config", wrong, remedy)])


def unfit(tree: dict[str, Any]) -> Iterator[Problem]:
    """A problem for each value that is valid TOML and that no key takes."""
    waiting: list[tuple[Loc, Any]] = [((), tree)]
    while waiting:
        at, value = waiting.pop()
        if found := _why_unfit(value, len(at)):
            yield Problem(key_path(tree, at), *found)
        elif isinstance(value, dict):
            if any("\0" in key for key in value):
                yield Problem(key_path(tree, at) or "config", "has a key with a NUL character", "remove it")
            waiting += [((*at, key), item) for key, item in reversed(value.items())]
        elif isinstance(value, list):
            waiting += [((*at, k), item) for k, item in reversed(list(enumerate(value)))]


def _why_unfit(value: Any, depth: int) -> tuple[str, str] | None:
    """What is wrong with a value, and what would be right; None for one that a key may take."""
    if isinstance(value, date | time):
        return "is a date or time", "no key takes one: write it as a string"
    if isinstance(value, str) and "\0" in value:
        return "holds a NUL character, which no program can be given", "remove it"
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return "is a number of more than 64 bits", "write a smaller number"
    if isinstance(value, dict | list) and depth > MOST_LEVELS:
        return "is nested too deeply", f"nest at most {MOST_LEVELS} levels"
    return None
