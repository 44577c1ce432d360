"""What the user calls a cell or a metric, and which one that is."""

import difflib
import shlex
from collections.abc import Callable, Sequence

from parity.errors import ParityError
from parity.reading.dictionary import METRICS
from parity.records import Cell


def name_of(cell: Cell) -> str:
    """`MODEL/TEST/RUNTIME`."""
    return "/".join(cell)


def cell_named(asked: str, cells: Sequence[Cell]) -> Cell:
    """The one cell of which `asked` is the name, or a part of it such as RUNTIME or TEST/RUNTIME.

    Raises:
        ParityError: no cell is called so, or several are.
    """
    words = asked.split("/")
    exact = [cell for cell in cells if _holds(cell, words, lambda word, name: word == name)]
    found = exact or [cell for cell in cells if _holds(cell, words, lambda word, name: name.startswith(word))]
    if len(found) == 1:
        return found[0]
    if found:
        raise ParityError(f"{asked!r} is a part of {len(found)} cells; name one of them:\n{_listed(found)}")
    if not cells:
        raise ParityError(f"there is no cell {asked!r}: this run has none")
    if asked in METRICS:
        raise ParityError(f"{asked!r} is a metric: name a cell before it, such as `{name_of(cells[-1])} {asked}`")
    raise ParityError(f"there is no cell {asked!r}; {_nearest(asked, cells)}")


def metric_named(asked: str) -> str:
    """The metric of that name.

    Raises:
        ParityError: there is none.
    """
    if asked in METRICS:
        return asked
    near = difflib.get_close_matches(asked, METRICS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known metrics: {', '.join(METRICS)}"
    raise ParityError(f"there is no metric {asked!r}; {hint}")


def command(run: str, *arguments: str) -> str:
    """The command line that explains a part of a run. `run`: the folder as the user named it."""
    return shlex.join(["parity", "explain", run, *arguments])


def shortest(cell: Cell, cells: Sequence[Cell]) -> str:
    """The shortest part of a cell's name that no other cell has."""
    model, test, runtime = cell
    for part in (runtime, f"{test}/{runtime}", f"{model}/{runtime}"):
        words = part.split("/")
        if sum(_holds(other, words, lambda word, name: word == name) for other in cells) == 1:
            return part
    return name_of(cell)


def _holds(cell: Cell, words: Sequence[str], fits: Callable[[str, str], bool]) -> bool:
    """Whether the words fit names of the cell in the order model, test, runtime; names may be left out."""
    names = iter(cell)
    return all(any(fits(word, name) for name in names) for word in words)


def _nearest(asked: str, cells: Sequence[Cell]) -> str:
    names = {part: None for cell in cells for part in (*cell, "/".join(cell[1:]), name_of(cell))}
    near = difflib.get_close_matches(asked, names, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"cells of this run:\n{_listed(cells)}"


def _listed(cells: Sequence[Cell]) -> str:
    return "\n".join(f"    {name_of(cell)}" for cell in cells)
