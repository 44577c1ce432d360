"""Reports: a finished `Report` as text, one module a format. The caller prints or writes what comes back."""

from collections.abc import Callable

from parity.records import Report
from parity.report.page import render_page
from parity.report.table import render_table

__all__ = ["FORMATS", "render_page", "render_table", "report_json"]

_PLAIN_COLUMNS = 80


def report_json(report: Report) -> str:
    """`report.json`: every raw value, the same text for the same report; `Report` reads it back."""
    return report.model_dump_json(indent=2) + "\n"


FORMATS: dict[str, Callable[[Report], str]] = {
    "table": lambda report: render_table(report, width=_PLAIN_COLUMNS, style="terminal"),
    "markdown": lambda report: render_table(report, width=None, style="markdown"),
    "page": render_page,
    "json": report_json,
}
"""Name of a format → what writes it."""
