"""Headings, tables, listed lines and quoted output as plain terminal text or as Markdown."""

import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Literal

from tabulate import tabulate

from parity.report.markdown import cell, fenced, inline, printable

Style = Literal["terminal", "markdown"]

_COLUMN_GAP = 2
_NARROWEST_COLUMN = 8
_HEADER_PADDING = 2
"""What tabulate adds to the width of a header."""
_LABEL_WIDTH = 16
_NOTE_INDENT = 4


class Layout:
    """Collects the blocks of one report. `width`: columns that terminal text keeps to; None wraps nothing.

    Only commands (`command`) are never wrapped, so that they can be copied.
    """

    def __init__(self, style: Style, width: int | None) -> None:
        self.style = style
        self._markdown = style == "markdown"
        self._width = None if self._markdown else width
        self._blocks: list[str] = []

    def heading(self, text: str, level: int) -> None:
        """Level 1 or 2 as a rule under the text; level 3 as the text alone."""
        if self._markdown:
            self._blocks.append(f"{'#' * level} {inline(text)}")
            return
        lines = self._wrapped(text, "")
        rule = {1: "=", 2: "-"}.get(level)
        if rule:
            lines.append(rule * max(len(line) for line in lines))
        self._blocks.append("\n".join(lines))

    def paragraph(self, text: str) -> None:
        self._blocks.append(inline(text) if self._markdown else "\n".join(self._wrapped(text, "")))

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Terminal cells wrap where the table would be wider than `width`; Markdown cells never do."""
        if self._markdown:
            self._blocks.append(markdown_table(headers, rows))
            return
        grid = [[printable(text) for text in row] for row in (headers, *rows)]
        grid = _fitted(grid, self._width)
        lines = tabulate(grid[1:], grid[0], tablefmt="simple", disable_numparse=True).splitlines()
        self._blocks.append("\n".join(line.rstrip() for line in lines))

    def items(self, items: Iterable[tuple[str, str]]) -> None:
        """Lines that each begin with a label (a verdict, a name); the text hangs beside it."""
        lines: list[str] = []
        for label, text in items:
            if self._markdown:
                lines.append(f"- **{inline(label)}** {inline(text)}")
            else:
                lines += self._wrapped(text, f"{printable(label):<{_LABEL_WIDTH - 1}} ", _LABEL_WIDTH)
        self._append(lines)

    def notes(self, notes: Iterable[str]) -> None:
        """Footnotes and remarks, one line each."""
        lines: list[str] = []
        for note in notes:
            lines += [f"- {inline(note)}"] if self._markdown else self._wrapped(note, "", _NOTE_INDENT)
        self._append(lines)

    def quote(self, lines: tuple[str, ...]) -> None:
        """What a process printed. A line too long for the terminal ends in `…`; Markdown has it whole."""
        if not lines:
            return
        if self._markdown:
            self._blocks.append(fenced(lines))
            return
        self._blocks.append("\n".join(self._cut(f"  | {printable(line)}") for line in lines))

    def command(self, text: str) -> None:
        self._blocks.append(fenced((text,)) if self._markdown else f"  $ {printable(text)}")

    def text(self) -> str:
        return "\n\n".join(self._blocks) + "\n"

    def _append(self, lines: list[str]) -> None:
        if lines:
            self._blocks.append("\n".join(lines))

    def _cut(self, line: str) -> str:
        return line if self._width is None or len(line) <= self._width else line[: self._width - 1] + "…"

    def _wrapped(self, text: str, first: str, hang: int = 0) -> list[str]:
        plain = printable(text)
        if self._width is None:
            return [(first + plain).rstrip()]
        indent = " " * hang
        return textwrap.wrap(
            plain, self._width, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False
        ) or [first.rstrip()]


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A pipe table whose cells may hold any text, without padding: `| Metric | Delta |` can be searched for."""
    lines = [[cell(text) for text in row] for row in (headers, *rows)]
    rule = "|".join("-" * (len(text) + 2) for text in lines[0])
    first, *rest = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([first, f"|{rule}|", *rest])


def _fitted(grid: list[list[str]], width: int | None) -> list[list[str]]:
    """The grid with cells wrapped to `width`: headers give way first, then always the widest column."""
    if width is None:
        return grid
    columns = list(zip(*grid, strict=True))
    bodies = [max((len(text) for text in column[1:]), default=0) for column in columns]
    widths = [max(len(column[0]) + _HEADER_PADDING, body) for column, body in zip(columns, bodies, strict=True)]
    room = width - _COLUMN_GAP * (len(columns) - 1)
    while sum(widths) > room:
        spare = [k for k, column in enumerate(widths) if column > max(bodies[k], _NARROWEST_COLUMN)]
        widest = max(spare or range(len(widths)), key=lambda k: widths[k])
        if widths[widest] <= _NARROWEST_COLUMN:
            break
        widths[widest] -= 1
    headers = [
        "\n".join(_HeaderWrapper(columns - _HEADER_PADDING).wrap(text))
        for text, columns in zip(grid[0], widths, strict=True)
    ]
    bodies_wrapped = [
        [textwrap.fill(text, columns) for text, columns in zip(row, widths, strict=True)] for row in grid[1:]
    ]
    return [headers, *bodies_wrapped]


class _HeaderWrapper(textwrap.TextWrapper):
    """Breaks names such as `paraphym_candle` behind a joint rather than anywhere."""

    wordsep_re = re.compile(r"(\s+|[^\s_/-]*[_/-]+)")
