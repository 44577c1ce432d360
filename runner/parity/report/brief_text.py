"""What a run ends with, as text for a terminal: verdicts, one table of all runtimes, and what to do."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from itertools import product

from parity.report.terminal import HeaderWrapper
from parity.report.view import BriefRow, BriefTable, BriefView, GateLine, Remark
from parity.units import plural
from parity.visible import printable

MOST_LINES = 24
"""Of the table: with more, it shows fewer metrics."""

_LABEL = 16
_GAP = "  "
_INDENT = "  "
_NARROWEST = 8
_ARROW = "→ "
_COPIED = re.compile("`[^`]{1,40}`")
"""What is meant to be copied, such as a key with its value: it stays on one line."""
_NO_BREAK = "\N{NO-BREAK SPACE}"
_NOTE = "* by a definition other than the baseline's value"

_STYLES = {
    "FAIL": "1;31",
    "PASS": "1;32",
    "INCONCLUSIVE": "1;33",
    "NOT COMPARABLE": "1;35",
    "NOT RUN": "1;35",
    "NOT APPLICABLE": "2",
    "failed": "31",
    "not run": "35",
    "warning": "33",
    "note": "36",
    "cause": "33",
    "title": "1",
    "advice": "36",
}
"""Label or part → its parameters of SGR, the terminal's escape for colours. The word says it too."""

Column = tuple[str, ...]


def render_brief(view: BriefView, width: int, *, colour: bool = False) -> str:
    """The end of a run in at most `width` columns, but for what is meant to be copied."""
    return "\n\n".join(block for block in _Brief(width, colour=colour).blocks(view) if block) + "\n"


class _Brief:
    def __init__(self, width: int, *, colour: bool) -> None:
        self._width = width
        self._colour = colour

    def blocks(self, view: BriefView) -> Iterator[str]:
        yield "\n".join(line for notice in view.notices for line in self._wrapped(notice))
        gates = [line for gate in view.gates for line in self._gate(gate)]
        yield "\n".join([*(gates or ["No gate was judged."]), *self._wrapped(view.exit, later=_INDENT)])
        yield "\n".join(self._tables(view))
        yield "\n".join(line for remark in view.remarks for line in self._remark(remark))

    def _gate(self, gate: GateLine) -> Iterator[str]:
        text = printable(gate.text)
        if gate.verdict == "PASS" and len(text) > self._width - _LABEL:
            text = printable(gate.short)
        yield from self._labelled(gate.verdict, text)
        for advice in gate.advice:
            yield from self._advice(advice)
        if gate.more_advice:
            yield from self._advice(f"{gate.more_advice} more in the whole report")

    def _remark(self, remark: Remark) -> Iterator[str]:
        yield from self._labelled(remark.label, printable(remark.text))
        if remark.detail:
            yield from self._wrapped(printable(remark.detail), first=" " * _LABEL, later=" " * _LABEL)
        if remark.advice:
            yield from self._advice(remark.advice)

    def _labelled(self, label: str, text: str) -> Iterator[str]:
        """A label in a column of its own, the text beside it."""
        first, *rest = self._wrapped(text, later=" " * _LABEL, first=" " * _LABEL) or [""]
        yield f"{self._styled(label, label)}{' ' * (_LABEL - len(label))}{first[_LABEL:]}".rstrip()
        yield from rest

    def _advice(self, advice: str) -> Iterator[str]:
        """What to do. Lines behind the first are TOML, and never wrapped; neither is a command at the end."""
        said, *toml = advice.split("\n")
        indent = " " * _LABEL
        lines = self._wrapped(f"{_ARROW}{printable(said)}", first=indent, later=indent + " " * len(_ARROW))
        yield from (self._styled("advice", line) for line in lines)
        yield from (f"{indent}{' ' * len(_ARROW)}{printable(line)}" for line in toml)

    def _tables(self, view: BriefView) -> list[str]:
        """All runtimes in one table if they have room, and otherwise as many in each as have; of many tests, those that
        fit a screen."""
        *_, fewest = view.tables
        for tables in (*view.tables, *(fewest[:number] for number in range(len(fewest) - 1, 0, -1))):
            lines = self._laid_out(view.runtimes, tables) if tables else []
            if len(lines) <= MOST_LINES or len(tables) == 1:
                break
        if left := len(fewest) - len(tables) + view.more_tests:
            lines.append(f"… and {plural(left, 'more test')} in the whole report")
        return lines

    def _laid_out(self, runtimes: Sequence[str], tables: Sequence[BriefTable]) -> list[str]:
        names = [printable(name) for name in runtimes]
        for stacked, whole_names in product((False, True), (True, False)):
            every = range(len(names) - 1)
            lines = self._grid(names, tables, every, stacked=stacked, whole_names=whole_names)
            if max(map(len, lines)) <= self._width:
                return self._dressed(lines, tables)
        shown: list[str] = []
        left = list(range(len(names) - 1))
        while left:
            fits = max((n for n in range(1, len(left) + 1) if self._fits(names, tables, left[:n])), default=1)
            lines = self._grid(names, tables, left[:fits], stacked=True)
            shown += [*([""] if shown else []), *self._dressed(lines, tables)]
            left = left[fits:]
        return shown

    def _fits(self, names: Sequence[str], tables: Sequence[BriefTable], chosen: Sequence[int]) -> bool:
        return max(map(len, self._grid(names, tables, chosen, stacked=True))) <= self._width

    def _grid(
        self,
        names: Sequence[str],
        tables: Sequence[BriefTable],
        chosen: Sequence[int],
        *,
        stacked: bool,
        whole_names: bool = False,
    ) -> list[str]:
        """The lines of one table. `chosen`: the places of the implementations in it. `whole_names`: their names are not
        wrapped."""
        every = [row for table in tables for row in table.rows]
        pads = [max((len(row.implementations[k].value) for row in every), default=0) for k in chosen]
        rows: list[Column] = []
        for table in tables:
            rows.append((printable(table.title),))
            for row in table.rows:
                rows += _cells(row, chosen, pads, stacked=stacked)
        columns = 2 + len(chosen)
        bodies = [max((len(cells[k]) for cells in rows if len(cells) > 1), default=0) for k in range(columns)]
        shown = (names[0], *(names[1 + k] for k in chosen))
        least = max(map(len, shown)) if whole_names else _NARROWEST
        wrapped = (HeaderWrapper(max(least, body)).wrap(name) for name, body in zip(shown, bodies[1:], strict=True))
        headers = [[""], *wrapped]
        widths = [max(body, *map(len, header)) for body, header in zip(bodies, headers, strict=True)]
        height = max(map(len, headers))
        above: list[Column] = [tuple(h[k] if k < len(h) else "" for h in headers) for k in range(height)]
        return [cells[0] if len(cells) == 1 else _joined(cells, widths) for cells in (*above, *rows)]

    def _dressed(self, lines: Sequence[str], tables: Sequence[BriefTable]) -> list[str]:
        """With headers and titles of tests in bold, and a note if values of two definitions stand beside each other."""
        titles = {printable(table.title) for table in tables}
        first = next((k for k, line in enumerate(lines) if line in titles), 0)
        dressed = [self._styled("title", line) if k < first or line in titles else line for k, line in enumerate(lines)]
        noted = any(" * " in f"{line} " for line in lines)
        return [*dressed, *([_NOTE] if noted else [])]

    def _styled(self, part: str, text: str) -> str:
        return f"\x1b[{_STYLES[part]}m{text}\x1b[0m" if self._colour and text else text

    def _wrapped(self, text: str, first: str = "", later: str = "") -> list[str]:
        lines = textwrap.wrap(
            _COPIED.sub(lambda found: found[0].replace(" ", _NO_BREAK), printable(text)),
            self._width,
            initial_indent=first,
            subsequent_indent=later,
            break_on_hyphens=False,
            break_long_words=False,
        )
        return [line.replace(_NO_BREAK, " ") for line in lines]


def _joined(cells: Column, widths: Sequence[int]) -> str:
    return _GAP.join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


def _cells(row: BriefRow, chosen: Sequence[int], pads: Sequence[int], *, stacked: bool) -> Iterator[Column]:
    """A metric's line, and beneath it the ratios where they have no room beside the values. `pads`: how wide the values
    of each implementation are."""
    title, sides = f"{_INDENT}{printable(row.title)}", [row.implementations[k] for k in chosen]
    if stacked:
        yield title, row.baseline, *(side.value for side in sides)
        if any(side.ratio for side in sides):
            yield "", "", *(side.ratio for side in sides)
        return
    beside = (f"{side.value:<{pad}}{_GAP}{side.ratio}".rstrip() for side, pad in zip(sides, pads, strict=True))
    yield title, row.baseline, *beside
