"""A report that may be given to others: without paths, and without the names of the user and the machine."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

from parity.records import Record, Report

USER, HOST = "[user]", "[host]"

_PATH = re.compile(r"(?<![\w.:/~-])(?:file://)?~?(?:/[^\s/'\"`<>|:;,()\[\]{}]+){2,}/?")
"""An absolute path of two parts or more, or one within a home; an address such as `hf://a/b` is none."""
_HOME = re.compile(r"/(?:home|Users)/([^/\s'\"]+)")
_NO_NAME = frozenset({"root", "user", "users", "shared", "runner", "localhost"})
"""Names that tell nobody from others."""

_Text = Callable[[str], str]
_R = TypeVar("_R", bound=Record)


def shareable(report: Report, users: Collection[str] = (), folders: Collection[str] = ()) -> Report:
    """The report with each path cut to its last part, and names replaced. `users`: names of people to take out, besides
    those in paths of homes; `folders`: to take out whole, such as a home whose path holds spaces."""
    hosts = {str(report.machine["host"])} if report.machine.get("host") else set[str]()
    homes = {found for text in _texts(report) for found in _HOME.findall(text)}
    names = dict.fromkeys({*users, *homes}, USER) | {
        part: HOST for host in hosts for part in (host, host.partition(".")[0])
    }
    known = {name: said for name, said in names.items() if len(name) > 1 and name.lower() not in _NO_NAME}
    if hosts:
        report = report.model_copy(update={"machine": {**report.machine, "host": HOST}})
    return _with(report, partial(_without, folders=sorted(folders, key=len, reverse=True), names=_words(known)))


_Names = tuple[re.Pattern[str], Mapping[str, str]] | None


def _words(names: Mapping[str, str]) -> _Names:
    """What finds the names where they stand as words of their own."""
    if not names:
        return None
    listed = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"(?<![\w-])(?:{listed})(?![\w-])"), names


def _without(text: str, folders: Collection[str], names: _Names) -> str:
    for folder in folders:
        text = text.replace(f"{folder}/", "…/")
    text = _PATH.sub(lambda found: f"…/{found[0].rstrip('/').rpartition('/')[2]}", text)
    return text if names is None else names[0].sub(lambda found: names[1][found[0]], text)


def _texts(value: Any) -> Iterator[str]:
    """Every text within a record."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Record):
        for name in type(value).model_fields:
            yield from _texts(getattr(value, name))
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _texts(key)
            yield from _texts(each)


def _with(record: _R, change: _Text) -> _R:
    """The record with every text within it changed."""
    changed = {
        name: new
        for name in type(record).model_fields
        if (new := _changed(old := getattr(record, name), change)) is not old
    }
    return record.model_copy(update=changed) if changed else record


def _changed(value: Any, change: _Text) -> Any:
    """The very same object where nothing in it changes."""
    if isinstance(value, str):
        new = change(value)
        return value if new == value else new
    if isinstance(value, Record):
        return _with(value, change)
    if isinstance(value, tuple | list):
        items = [_changed(each, change) for each in value]
        return value if all(map(_is, items, value)) else type(value)(items)
    if isinstance(value, dict):
        pairs = {_changed(key, change): _changed(each, change) for key, each in value.items()}
        return value if all(map(_is, pairs.values(), value.values())) and pairs.keys() == value.keys() else pairs
    return value


def _is(one: object, other: object) -> bool:
    return one is other
