"""Environment variables in a config's strings; a string that is one variable may stand for a number or a boolean."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from parity.config.complaints import key_path
from parity.config.scalars import FromVariable
from parity.errors import Problem

Complain = Callable[[Sequence[str | int], str, str], None]

_VARIABLE = re.compile(r"\$\$\{|\$\{(?:(?P<name>[A-Za-z_]\w*)(?::-(?P<default>[^}]*))?\})?")

_HALVES = re.compile("[\ud800-\udfff]")
"""What Python makes of bytes of the environment that are not UTF-8."""


def interpolate(tree: Any, environ: Mapping[str, str], problems: list[Problem], used: dict[str, str]) -> Any:
    """Replaces `${NAME}` and `${NAME:-default}` in every string; `$${` stands for a literal `${`. A string that is one
    of these and nothing else becomes a `FromVariable`.

    An unset variable without a default is added to `problems`, every variable that was set to `used`."""

    told: set[Problem] = set()

    def complain(key: Sequence[str | int], wrong: str, remedy: str) -> None:
        problem = Problem(key_path(tree, key), wrong, remedy)
        if problem not in told:
            told.add(problem)
            problems.append(problem)

    return _interpolate(tree, (), _Noting(environ, used), complain)


class _Noting(dict[str, str]):
    """The environment, noting what is taken from it."""

    def __init__(self, environ: Mapping[str, str], used: dict[str, str]) -> None:
        super().__init__(environ)
        self._used = used

    def __getitem__(self, name: str) -> str:
        self._used[name] = super().__getitem__(name)
        return self._used[name]


def _interpolate(value: Any, key: tuple[str | int, ...], environ: Mapping[str, str], complain: Complain) -> Any:
    if isinstance(value, dict):
        return {name: _interpolate(item, (*key, name), environ, complain) for name, item in value.items()}
    if isinstance(value, list):
        return [_interpolate(item, (*key, k), environ, complain) for k, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if match[0] == "$${":
            return "${"
        if name is None:
            complain(
                key, "has a `${` that names no variable", "write ${NAME} or ${NAME:-default}; $${ for a literal ${"
            )
        elif environ.get(name) or (default is None and name in environ):
            if not environ[name].isascii() and _HALVES.search(environ[name]):
                complain(key, f"the environment variable {name} is not UTF-8", "set it to text in UTF-8")
            return environ[name]
        elif default is not None:
            return default
        else:
            complain(
                key, f"the environment variable {name} is not set", f"set {name}, or give a default: ${{{name}:-…}}"
            )
        return match[0]

    replaced = _VARIABLE.sub(replace, value)
    whole = _VARIABLE.fullmatch(value)
    return FromVariable(replaced) if whole is not None and whole["name"] is not None else replaced
