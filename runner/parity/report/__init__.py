"""Reports: a finished `Report` as text, one module or template a format, over one index. The caller prints or writes
what comes back."""

from collections.abc import Callable

from parity.judging.across import Across
from parity.records import Report
from parity.records.witness import Witnesses
from parity.report.across import across_blocks, across_view
from parity.report.as_json import json_pieces
from parity.report.brief import brief
from parity.report.brief_text import render_brief
from parity.report.figures import Figure, figure_of, render_csv
from parity.report.github import annotations, step_summary
from parity.report.html import render_across, render_html, render_trend
from parity.report.index import Index
from parity.report.junit import render_junit
from parity.report.overview import overview
from parity.report.page import page_view
from parity.report.templating import render
from parity.report.terminal import render_blocks, render_terminal
from parity.report.trend import Trend, trend_blocks
from parity.report.witnesses import witness_blocks

__all__ = [
    "EXCERPTS",
    "FORMATS",
    "Figure",
    "annotations",
    "figure_of",
    "json_pieces",
    "render_across",
    "render_junit",
    "render_page",
    "render_trend",
    "report_json",
    "step_summary",
    "terminal_across",
    "terminal_brief",
    "terminal_table",
    "terminal_trend",
    "terminal_witnesses",
]

_PLAIN_COLUMNS = 80


def terminal_table(report: Report, width: int | None = _PLAIN_COLUMNS) -> str:
    """The report for a terminal of `width` columns, readable without colour; None wraps nothing."""
    return render_terminal(overview(Index(report)), width)


def terminal_across(found: Across, first: Report, second: Report, width: int = _PLAIN_COLUMNS) -> str:
    """Two runs compared, for a terminal of `width` columns."""
    return render_blocks(across_blocks(across_view(found, first, second)), width)


def terminal_trend(trend: Trend, width: int = _PLAIN_COLUMNS) -> str:
    """Ratios over the runs of a config, for a terminal of `width` columns."""
    return render_blocks(trend_blocks(trend), width)


def terminal_witnesses(found: Witnesses, beside: Report | None, width: int = _PLAIN_COLUMNS) -> str:
    """Figures of other benchmarks, for a terminal of `width` columns; `beside`: the run that is shown below."""
    return render_blocks(witness_blocks(found, beside), width)


def terminal_brief(report: Report, width: int = _PLAIN_COLUMNS, *, colour: bool = False) -> str:
    """What a run ends with: verdicts, one table of all runtimes, and what to do. `colour`: with escapes of a
    terminal, which are all its own."""
    return render_brief(brief(Index(report)), width, colour=colour)


def render_markdown(report: Report) -> str:
    """`report.md`: what the terminal shows, as Markdown and with all settings."""
    return render("report.md.j2", overview(Index(report)))


def render_page(report: Report) -> str:
    """The project page of the implementation that `report.page` names, or of the first one.

    Raises:
        ParityError: there is no such runtime beside the baseline.
    """
    return render("page.md.j2", page_view(Index(report)))


def report_json(report: Report) -> str:
    """`report.json`: every raw value, the same text for the same report; `Report` reads it back."""
    return "".join(json_pieces(report))


FORMATS: dict[str, Callable[[Report], str]] = {
    "table": terminal_table,
    "markdown": render_markdown,
    "page": render_page,
    "html": render_html,
    "json": report_json,
}
"""Name of a format → what renders the whole report. A new format is its renderer and a line here."""

EXCERPTS: dict[str, Callable[[Report], str]] = {"brief": terminal_brief, "csv": render_csv}
"""Formats that leave a part of the report out."""
