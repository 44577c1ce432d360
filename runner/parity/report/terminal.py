"""A report as plain text for a terminal: tables by tabulate, all other text wrapped to the width."""

import re
import textwrap
from collections.abc import Iterable, Sequence

from tabulate import tabulate

from parity.report.view import Labelled, Problem, ReportView, RuntimeFacts, Table
from parity.visible import printable

_COLUMN_GAP = 2
_NARROWEST_COLUMN = 8
_HEADER_PADDING = 2
"""What tabulate adds to the width of a header."""
_LABEL_WIDTH = 16
_INDENT = " " * 4


def render_terminal(view: ReportView, width: int | None) -> str:
    """The report in at most `width` columns; None wraps nothing. Remedies are never wrapped."""
    return "\n\n".join(block for block in _Terminal(width).blocks(view) if block) + "\n"


def render_blocks(blocks: Iterable[str | Table], width: int | None) -> str:
    """Paragraphs and tables with their titles, in at most `width` columns."""
    terminal = _Terminal(width)
    return "\n\n".join(terminal.block(block) for block in blocks) + "\n"


class _Terminal:
    def __init__(self, width: int | None) -> None:
        self._width = width

    def blocks(self, view: ReportView) -> Iterable[str]:
        yield self._heading(view.title, "=")
        yield from map(self._wrapped, view.notices)
        yield self._items(view.verdicts) or self._wrapped("No gate was judged.")
        yield self._wrapped(view.exit)
        yield self._items(view.facts)
        yield self._wrapped(view.delta_explained)
        for section in view.sections:
            yield self._heading(section.heading)
            for table in section.tables:
                yield self._table(table)
                yield self._notes(table.notes)
            yield self._notes(section.notes)
        if view.outputs is not None:
            yield self._heading("Outputs")
            yield self._table(view.outputs)
            yield self._notes(view.outputs.notes)
        if view.witnesses:
            yield self._heading("Figures of other benchmarks")
            yield from map(self.block, view.witnesses)
            yield self._notes(view.of_witnesses)
        if view.not_run:
            yield self._heading("Not run")
            yield "\n".join(self._problem(problem) for problem in view.not_run)
        if view.failures:
            yield self._heading("Failed trials")
        for failed in view.failures:
            yield self._items([Labelled(failed.kind, failed.text)])
            yield self._quoted(failed.tail)
            yield self._quoted(failed.state)
        if view.warnings:
            yield self._heading("Warnings")
            yield self._notes(view.warnings)
        yield self._heading("Runtimes")
        yield "\n".join(
            self._item(runtime.title, _runtime_line(runtime)) + _remedy(runtime.remedy) for runtime in view.runtimes
        )
        yield self._wrapped(view.exit)

    def block(self, block: str | Table) -> str:
        """A paragraph, whose lines stay lines, or a table."""
        if isinstance(block, str):
            return "\n".join(self._wrapped(line, later=_INDENT) for line in block.splitlines())
        parts = (self._heading(block.title), self._table(block), self._notes(block.notes))
        return "\n\n".join(part for part in parts if part)

    def _heading(self, text: str, rule: str = "-") -> str:
        wrapped = self._wrapped(text)
        return f"{wrapped}\n{rule * max(map(len, wrapped.splitlines()))}"

    def _table(self, table: Table) -> str:
        headers = [printable(text) for text in table.headers]
        rows = [[printable(str(cell)) for cell in row] for row in table.rows]
        headers, widths = _fitted(headers, rows, self._width)
        if widths is not None and all(len(cell) <= widths[k] for row in rows for k, cell in enumerate(row)):
            widths = None  # most of tabulate's work would be to look for what it has to wrap
        text = tabulate(rows, headers, tablefmt="simple", disable_numparse=True, maxcolwidths=widths)
        return "\n".join(line.rstrip() for line in text.splitlines())

    def _items(self, items: Iterable[Labelled]) -> str:
        """Lines that each begin with a label (a verdict, a name); the text hangs beside it."""
        return "\n".join(self._item(item.label, item.text) for item in items)

    def _item(self, label: str, text: str) -> str:
        return self._wrapped(text, f"{printable(label):<{_LABEL_WIDTH - 1}} ", " " * _LABEL_WIDTH)

    def _problem(self, problem: Problem) -> str:
        return self._wrapped(problem.text, later=_INDENT) + _remedy(problem.remedy)

    def _notes(self, notes: Iterable[str]) -> str:
        return "\n".join(self._wrapped(note, later=_INDENT) for note in notes)

    def _quoted(self, lines: Sequence[str]) -> str:
        """What a process printed, wrapped: the message is often at the end of a long line."""
        return "\n".join(self._wrapped(line, "  | ", "  |   ") for line in lines)

    def _wrapped(self, text: str, first: str = "", later: str = "") -> str:
        plain = printable(text)
        if self._width is None:
            return (first + plain).rstrip()
        lines = textwrap.wrap(plain, self._width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False)
        return "\n".join(lines) or first.rstrip()


def _remedy(remedy: str | None) -> str:
    """On a line of its own that is never wrapped, so that a command can be copied."""
    return f"\n{_INDENT}To fix: {printable(remedy)}" if remedy else ""


def _runtime_line(runtime: RuntimeFacts) -> str:
    """The settings that decide speed, and how many more there are."""
    settings = [*runtime.settings]
    if runtime.further:
        settings.append(f"{len(runtime.further)} more settings in report.md")
    return "; ".join(part for part in (runtime.facts, ", ".join(settings)) if part)


def _fitted(
    headers: Sequence[str], rows: Sequence[Sequence[str]], width: int | None
) -> tuple[list[str], list[int] | None]:
    """Headers wrapped so that the table holds `width`, and the widths that cells wrap at: headers give way first, then
    always the widest column, and words of headers are broken last."""
    if width is None:
        return list(headers), None
    bodies = [max(map(len, column), default=0) for column in zip(*rows, strict=True)] or [0] * len(headers)
    widths = [max(len(text) + _HEADER_PADDING, body) for text, body in zip(headers, bodies, strict=True)]
    least = [max(_NARROWEST_COLUMN, _longest_word(text) + _HEADER_PADDING) for text in headers]
    most_to_least = (
        [max(body, word) for body, word in zip(bodies, least, strict=True)],
        least,
        [_NARROWEST_COLUMN] * len(widths),
    )
    for floors in most_to_least:
        while sum(widths) > width - _COLUMN_GAP * (len(widths) - 1):
            spare = [k for k, column in enumerate(widths) if column > floors[k]]
            if not spare:
                break
            widths[max(spare, key=lambda k: widths[k])] -= 1
    wrapped = [
        "\n".join(HeaderWrapper(columns - _HEADER_PADDING).wrap(text))
        for text, columns in zip(headers, widths, strict=True)
    ]
    return wrapped, widths


def _longest_word(header: str) -> int:
    return max(map(len, HeaderWrapper(1, break_long_words=False).wrap(header)), default=0)


class HeaderWrapper(textwrap.TextWrapper):
    """Breaks names such as `paraphym_candle` behind a joint rather than anywhere."""

    wordsep_re = re.compile(r"(\s+|[^\s_/-]*[_/-]+)")
