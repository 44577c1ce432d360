"""The pieces that explanations in a terminal are laid out with."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from parity.records import Scalar, Verdict
from parity.report.identity import beside
from parity.units import format_difference, format_value
from parity.visible import printable

MISSING = "—"
LABEL_WIDTH = 15
"""Columns of a verdict in front of its sentence."""


def print_verdicts(console: Console, verdicts: Sequence[Verdict], *, gap: bool = True) -> None:
    """Each verdict with its sentence, and what stands beside it. `gap`: an empty line comes first."""
    if verdicts and gap:
        console.print()
    lines = []
    for verdict in verdicts:
        advice = "" if verdict.required else " (advice)"
        of = f" · {verdict.runtime}" if verdict.compares else ""
        lines.append(f"{verdict.verdict:<{LABEL_WIDTH}} {verdict.gate}{of}{advice}: {beside(verdict)}")
    print_verdict_lines(console, lines)


def print_verdict_lines(console: Console, lines: Iterable[str]) -> None:
    """Each line with its verdict in a column of its own."""
    table = Table.grid(padding=(0, 1))
    table.add_column(min_width=LABEL_WIDTH, no_wrap=True)
    table.add_column(overflow="fold")
    for line in lines:
        table.add_row(line[:LABEL_WIDTH].rstrip(), printable(line[LABEL_WIDTH + 1 :]))
    if table.row_count:
        console.print(table)


def signed(value: float, unit: str) -> str:
    """A difference with its sign always."""
    return format_difference(value, unit)


def shown_value(value: float | None, unit: str) -> str:
    """A value with its unit, or a dash."""
    return MISSING if value is None else format_value(value, unit)


def scalar(value: Scalar) -> str:
    """A value of a fact; a long one, such as a hash, is cut."""
    if value is None:
        return "not shown"
    text = str(value)
    return printable(text if len(text) <= 40 else f"{text[:12]}…")


def new_table(*headers: str) -> Table:
    """A table without lines, whose cells wrap."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for header in headers:
        table.add_column(printable(header), overflow="fold")
    return table


def print_title(console: Console, text: str) -> None:
    """The first line of an explanation."""
    console.print(Text(printable(text), style="bold"))
    console.print("=" * min(console.width, len(printable(text))))


def print_heading(console: Console, text: str) -> None:
    """The name of a step."""
    console.print()
    console.print(Text(printable(text), style="bold"))
    console.print("-" * min(console.width, len(printable(text))))


def print_indented(console: Console, text: str, by: int = 4) -> None:
    """Text that hangs `by` columns from the left."""
    console.print(Padding(printable(text), (0, 0, 0, by)))


def percent(value: float | None) -> str:
    """A share, or a dash."""
    return MISSING if value is None else f"{value:.0%}"
