"""Finds adapters by their entry points, group `parity.adapters`. Each is loaded only when it is named."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from parity.adapter import Adapter, AdapterSettings

GROUP = "parity.adapters"


class UnknownAdapterError(LookupError):
    """`args` are what is wrong and what to do. `installed`: it is there, and can't be loaded."""

    installed = False


class BrokenEntryError(UnknownAdapterError):
    """An adapter that is installed and can't be loaded, or is none."""

    installed = True


@dataclass(frozen=True)
class Entry:
    """One registered adapter: which package brings it, and why it can't be loaded where it can't."""

    name: str
    package: str
    broken: str | None = None


@cache
def _points() -> dict[str, tuple[EntryPoint, ...]]:
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        # An editable install and a wheel of one package may both be seen: the same target is the same adapter.
        same = found.get(point.name, ())
        if point.value not in {other.value for other in same}:
            found[point.name] = (*same, point)
    return found


def adapter_class(name: str) -> type[Adapter[Any]]:
    """The adapter's class.

    Raises:
        UnknownAdapterError: none has this name, two packages claim it, or it can't be loaded.
    """
    points = _points().get(name, ())
    if not points:
        near = difflib.get_close_matches(name, _points(), n=1)
        known = ", ".join(_points()) or "none are installed: run `pip install -e .` once"
        hint = f"did you mean {near[0]!r}?" if near else f"adapters here: {known}"
        raise UnknownAdapterError(f"there is no adapter {name!r}", hint)
    if len(points) > 1:
        packages = ", ".join(_package(point) for point in points)
        raise UnknownAdapterError(f"two packages bring an adapter {name!r}: {packages}", "uninstall one of them")
    return checked_class(name, points[0].load, points[0].value, f"fix or reinstall {_package(points[0])}")


def checked_class(name: str, load: Callable[[], object], target: str, remedy: str) -> type[Adapter[Any]]:
    """The adapter class that is loaded from `target`.

    Raises:
        UnknownAdapterError: it can't be loaded, or is none.
    """
    try:
        loaded = load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # Whatever a third party's module raises on import, `sys.exit` too, is that package's fault, and not ours.
        wrong = f"the adapter {name!r} can't be loaded from {target} ({type(error).__name__}: {error})"
        raise BrokenEntryError(wrong, remedy) from error
    if missing := _wrong(loaded):
        raise BrokenEntryError(f"{target} is not an adapter: {missing}", remedy)
    return loaded  # type: ignore[return-value]


def _wrong(loaded: object) -> str | None:
    """What keeps a loaded object from being an adapter class, or None."""
    if not (isinstance(loaded, type) and issubclass(loaded, Adapter)):
        return "it does not derive from parity.adapter.Adapter"
    missing = sorted(getattr(loaded, "__abstractmethods__", ()))
    missing += [name for name in ("name", "Settings") if not hasattr(loaded, name)]
    return f"it lacks {', '.join(missing)}" if missing else None


def settings_of(name: str) -> type[AdapterSettings]:
    """The settings table of an adapter; raises as `adapter_class` does."""
    return adapter_class(name).Settings


def prompt_as(name: str, prompt: str) -> str:
    """The text that an adapter's runtime sends for a prompt.

    Raises:
        UnknownAdapterError: as `adapter_class`, or the adapter fails, or sends a prompt as it is.
    """
    try:
        text = adapter_class(name).prompt_as(prompt)
    except UnknownAdapterError:
        raise
    except Exception as error:
        wrong = f"the adapter {name!r} failed in `prompt_as` ({type(error).__name__}: {error})"
        raise UnknownAdapterError(wrong, "correct the adapter, or leave out `prompt_as`") from error
    if text is None:
        raise UnknownAdapterError(f"the adapter {name!r} sends a prompt as it is", "leave out `prompt_as`")
    return text


def entries() -> tuple[Entry, ...]:
    """Every registered adapter; a broken one is an entry that says why, not an exception."""
    listed = []
    for name, points in _points().items():
        broken = None
        try:
            adapter_class(name)
        except UnknownAdapterError as error:
            broken = f"{error.args[0]}; {error.args[1]}"
        listed.append(Entry(name, ", ".join(_package(p) for p in points), broken))
    return tuple(listed)


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.module
