"""Reports: a finished `Report` as text, one module or template a format, over one index. The caller prints or writes
what comes back."""

from collections.abc import Callable

from parity.records import Report
from parity.report.index import Index
from parity.report.overview import overview
from parity.report.page import page_view
from parity.report.templating import render
from parity.report.terminal import render_terminal

__all__ = ["FORMATS", "render_page", "report_json", "terminal_table"]

_PLAIN_COLUMNS = 80


def terminal_table(report: Report, width: int | None = _PLAIN_COLUMNS) -> str:
    """The report for a terminal of `width` columns, readable without colour; None wraps nothing."""
    return render_terminal(overview(Index(report)), width)


def render_markdown(report: Report) -> str:
    """`report.md`: what the terminal shows, as Markdown and with all settings."""
    return render("report.md.j2", overview(Index(report)))


def render_page(report: Report) -> str:
    """The page of the implementation that `report.page` names, or of the first one.

    Raises:
        ParityError: there is no such runtime beside the baseline.
    """
    return render("page.md.j2", page_view(Index(report)))


def report_json(report: Report) -> str:
    """`report.json`: every raw value, the same text for the same report; `Report` reads it back."""
    return report.model_dump_json(indent=2) + "\n"


FORMATS: dict[str, Callable[[Report], str]] = {
    "table": terminal_table,
    "markdown": render_markdown,
    "page": render_page,
    "json": report_json,
}
"""Name of a format → what renders it. A new format is its renderer and a line here."""
