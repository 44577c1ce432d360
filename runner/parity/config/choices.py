"""What the options of a command choose of a config and change in it; the changes are made in its tree of TOML values.

Runtimes and tests are chosen later, once their names are known: `selecting`.
"""

import difflib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import tomli
from pydantic import Field

from parity.errors import Problem
from parity.records import Record

QUICK = ("rounds.fixed=1", "rounds.warmup=0")
"""What `--quick` sets."""


class Extension(Record):
    """Rounds that are added to a run that is over: what `[rounds]` says from then on."""

    added: int = Field(description="rounds that were asked for")
    max: int
    least: int
    planned: int = Field(description="the most rounds that the run was to have at first")


class Choices(Record):
    """The options that a run was given beside its config, as they were given."""

    only: tuple[str, ...] = Field(default=(), description="the runtimes that are run; by default all")
    tests: tuple[str, ...] = Field(default=(), description="patterns of the names of the tests that are run")
    rounds: int | None = Field(default=None, description="measured rounds, in place of what `[rounds]` says")
    quick: bool = Field(default=False, description="one measured round, and no warm-up")
    time_limit_s: float | None = Field(default=None, description="no round begins once the trials took so many seconds")
    extended: Extension | None = Field(default=None, description="rounds that were added when the run was over")
    changes: tuple[str, ...] = Field(default=(), description="KEY=VALUE: keys of the config with other values")

    @property
    def shown(self) -> tuple[str, ...]:
        """The options as they are typed."""
        given = [("--only", name) for name in self.only] + [("--test", pattern) for pattern in self.tests]
        given += [("--rounds", str(self.rounds))] if self.rounds is not None else []
        given += [("--time-limit", f"{self.time_limit_s:g}")] if self.time_limit_s is not None else []
        given += [("--add-rounds", str(self.extended.added))] if self.extended is not None else []
        quick = ["--quick"] if self.quick else []
        given += [("--set", change) for change in self.changes]
        return (*(f"{option} {shlex.quote(value)}" for option, value in given), *quick)


NONE = Choices()


@dataclass(frozen=True)
class Change:
    """A key with another value. `option`: as it is told. `path`: the names and places that lead to the key."""

    option: str
    path: tuple[str, ...]
    value: Any


def changed(tree: dict[str, Any], choices: Choices, problems: list[Problem]) -> dict[str, str]:
    """Changes what the options say in a config's tree; option by key, as problems name keys. What can't be changed is
    added to `problems`."""
    if choices.quick and choices.rounds is not None:
        problems.append(Problem("--quick", "stands beside --rounds", "give only one of the two"))
    told: dict[str, str] = {}
    for change in _changes(choices, problems):
        rounds = tree.get("rounds")
        if change.path == ("rounds", "fixed") and isinstance(rounds, dict):
            # An earlier name of the same key, which the option takes the place of too.
            rounds.pop("count", None)
        told |= dict.fromkeys(_set(tree, change, problems), change.option)
    if choices.extended is not None:
        _extend(tree, choices.extended)
    return told


def _extend(tree: dict[str, Any], extension: Extension) -> None:
    """A run that had a fixed number of rounds, too few for a verdict, is judged after each round from now on."""
    rounds = tree.get("rounds", {})
    if isinstance(rounds, dict):
        kept = {key: value for key, value in rounds.items() if key not in ("fixed", "count")}
        tree["rounds"] = {**kept, "max": extension.max, "least": extension.least, "planned": extension.planned}


def named_by_option(problem: Problem, told: Mapping[str, str]) -> Problem:
    """The problem; one of a key that an option set names the option."""
    for key, option in told.items():
        if problem.where == key:
            return replace(problem, where=option)
        if problem.where.startswith((f"{key}.", f"{key}[")):
            return replace(problem, where=f"{option}: {problem.where}")
    return problem


def _changes(choices: Choices, problems: list[Problem]) -> Iterator[Change]:
    quick = QUICK if choices.quick else ()
    rounds = (f"rounds.fixed={choices.rounds}",) if choices.rounds is not None else ()
    limit = (f"rounds.max_s={choices.time_limit_s!r}",) if choices.time_limit_s is not None else ()
    for option, texts in (
        ("--quick", quick),
        (f"--rounds {choices.rounds}", rounds),
        ("--time-limit", limit),
        ("--set", choices.changes),
    ):
        for text in texts:
            shown = f"--set {shlex.quote(text)}" if option == "--set" else option
            if (change := _parsed(text, shown, problems)) is not None:
                yield change


def _parsed(text: str, option: str, problems: list[Problem]) -> Change | None:
    """KEY=VALUE, the key as TOML writes a dotted one, and the value as TOML writes it."""
    # A quoted part of a key may hold `=`: the key ends at the first one that leaves a whole key before it.
    for at, character in enumerate(text):
        if character == "=" and (path := _path(text[:at])) is not None:
            written = text[at + 1 :].strip()
            try:
                return Change(option, path, tomli.loads(f"value = {written}")["value"])
            except (ValueError, RecursionError):
                quoted = f"{text[:at]}={_quoted(written)}"
                remedy = f"if it is a text, quote it: --set {shlex.quote(quoted)}"
                problems.append(Problem(option, f"{written!r} is no value as TOML writes it", remedy))
                return None
    remedy = "write KEY=VALUE with a key of the config, as in --set rounds.max=10 or --set tests.NAME.max_tokens=50"
    problems.append(Problem(option, "does not begin with a key and `=`", remedy))
    return None


def _path(key: str) -> tuple[str, ...] | None:
    """The names of a dotted key: `runtimes."llama.cpp".threads`."""
    try:
        tree = tomli.loads(f"{key} = 0")
    except ValueError:
        return None
    path: list[str] = []
    node: Any = tree
    while isinstance(node, dict) and len(node) == 1:
        [(name, node)] = node.items()
        path.append(name)
    return tuple(path) if node == 0 and path else None


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _set(tree: dict[str, Any], change: Change, problems: list[Problem]) -> list[str]:
    """Sets the key, with the tables that lead to it; the keys that are new, as problems name them. None where it can't
    be set."""
    node: Any = tree
    key = ""
    new: list[str] = []
    *folders, last = change.path
    for name in folders:
        here = f"{key}.{name}".removeprefix(".")
        if isinstance(node, list):
            place = _place(node, name)
            if place is None:
                problems.append(Problem(change.option, f"{key} has no entry named {name!r}", _entries(node, name)))
                return []
            here = here if _name_of(node[place]) == name else f"{key}[{place + 1}]"
            node = node[place]
        else:
            new += [] if name in node else [here]
            node = node.setdefault(name, {})
        if not isinstance(node, dict | list):
            problems.append(Problem(change.option, f"{here} is no table", "name a key that holds a value"))
            return []
        key = here
    if isinstance(node, list):
        problems.append(Problem(change.option, f"names an entry of {key} and no key of it", "add .KEY to the name"))
        return []
    node[last] = change.value
    return [f"{key}.{last}".removeprefix("."), *new]


def _place(entries: Sequence[Any], name: str) -> int | None:
    """Where the entry of that name is, or of that number from 1 on."""
    found = next((k for k, entry in enumerate(entries) if _name_of(entry) == name), None)
    if found is None and name.isdecimal() and 1 <= int(name) <= len(entries):
        return int(name) - 1
    return found


def _name_of(entry: Any) -> Any:
    return entry.get("name") if isinstance(entry, dict) else None


def _entries(entries: Sequence[Any], name: str) -> str:
    known = [found for entry in entries if isinstance(found := _name_of(entry), str)]
    near = difflib.get_close_matches(name, known, n=1)
    numbers = f"its number, 1 to {len(entries)}" if entries else "none, for it is empty"
    return f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known) or numbers}"
