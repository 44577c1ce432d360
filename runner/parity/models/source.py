"""Where a model comes from: a path, or a scheme such as `hf://`, each in a module of its own.

A package adds a scheme with a module and one line in the entry-point group `parity.sources`:
`scheme = "module:SCHEME"`. A scheme is imported when a config names it. Models are found and fetched here, not read
or hashed.
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from parity.errors import ModelError
from parity.models.path import LocalPath
from parity.models.progress import Watch
from parity.records import ModelFacts

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP: Final = "parity.sources"
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)


class Source(Protocol):
    """A place that holds a model."""

    can_fetch: ClassVar[bool]
    """Whether `fetch` can bring a model that is not there yet; where it can't, `fetch` says why it is missing."""

    @property
    def tiny(self) -> str | None:
        """The address of a tiny model of the same architecture and quantisation, if this address alone tells them."""
        ...

    def locate(self) -> Path | None:
        """Where the model lies now, without network and without reading it; None if it must be fetched or made."""
        ...

    def fetch(self, watch: Watch) -> Path:
        """Makes the model present, and returns its path.

        Raises:
            ModelError: the model can't be found, fetched or made.
        """
        ...


def _no_tiny_model(facts: ModelFacts) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Scheme:
    """What an entry point of `parity.sources` names.

    `forms` are the forms of an address, for error messages. `parse` gets what follows `SCHEME://` and raises
    ModelError for what is not valid. `like` returns the address of a tiny model of the architecture and quantisation
    of another one, or None where the scheme has none.
    """

    forms: tuple[str, ...]
    parse: Callable[[str], Source]
    like: Callable[[ModelFacts], str | None] = _no_tiny_model


def parse_source(text: str, base: Path) -> Source:
    """The source that `text` names. `base` is what relative paths are relative to: the config's folder.

    Raises:
        ModelError: the text has no known form, or its scheme can't be loaded.
    """
    if not text.strip() or "\0" in text:
        raise ModelError(f"{text!r} names no model", f"give {_forms()}")
    match = _SCHEME.fullmatch(text)
    if match is None:
        return LocalPath(base.absolute() / os.path.expanduser(text))  # noqa: PTH111
    name = match[1].lower()
    points = _points().get(name)
    if points is None:
        raise ModelError(f"{text}: the scheme {match[1]}:// is not known", f"give {_forms()}")
    return _loaded(name, points).parse(match[2])


def tiny_like(facts: ModelFacts) -> str | None:
    """The address of a tiny model with the architecture and quantisation of `facts`; None where no scheme has one."""
    return next((address for scheme in _schemes() if (address := scheme.like(facts))), None)


def _points() -> "dict[str, tuple[EntryPoint, ...]]":
    """Entry points by scheme. Two with one target are one: an editable install and a wheel may both be there."""
    # This import takes 40 ms: configs that name paths alone should not pay for it.
    from importlib.metadata import entry_points

    found: dict[str, dict[str, EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name.lower(), {})[point.value] = point
    return {name: tuple(points.values()) for name, points in sorted(found.items())}


def _loaded(name: str, points: "tuple[EntryPoint, ...]") -> Scheme:
    packages = ", ".join(sorted(point.dist.name if point.dist else point.module for point in points))
    if len(points) > 1:
        raise ModelError(f"several packages bring the model source {name}://: {packages}", "uninstall all but one")
    [point] = points
    try:
        scheme = point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # A module of another package may raise anything while it is imported, `sys.exit` too.
        raise ModelError(
            f"the model source {name}:// can't be loaded from {point.value} ({type(error).__name__}: {error})",
            f"fix or reinstall {packages}",
        ) from error
    if not isinstance(scheme, Scheme):
        raise ModelError(f"{point.value} is not a parity.models.Scheme", f"fix or reinstall {packages}")
    return scheme


def _schemes() -> Iterator[Scheme]:
    """Every scheme that can be loaded, by name."""
    for name, points in _points().items():
        try:
            yield _loaded(name, points)
        except ModelError:
            continue


def _forms() -> str:
    *forms, last = ("a path", *(form for scheme in _schemes() for form in scheme.forms))
    if not forms:
        return f"{last}; no other model source is installed: run `pip install -e .` once"
    return f"{', '.join(forms)} or {last}"
