"""`report.html`: the whole report as one HTML file that needs no network and no script."""

from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from parity.judging.across import Across
from parity.judging.past import PastRun
from parity.records import Report
from parity.report.across import NOTHING_SHARED
from parity.report.html.across import across_page
from parity.report.html.building import html_view
from parity.report.html.trend import trend_plots
from parity.report.index import Index
from parity.report.trend import Trend, notes_of
from parity.report.witnesses import NO_INTERVAL
from parity.visible import printable, printable_lines

__all__ = ["render_across", "render_html", "render_trend"]


def render_html(report: Report) -> str:
    """The page. All that it prints is escaped, and holds nothing that acts on the order in which it is read."""
    return _environment().get_template("report.html.j2").render(vars(html_view(Index(report))))


def render_trend(trend: Trend) -> str:
    """The page of ratios over runs, made as the report's is."""
    template = _environment().get_template("trend.html.j2")
    return template.render(trend=trend, plots=list(trend_plots(trend)), notes=notes_of(trend))


def render_across(found: Across, first: PastRun, second: PastRun) -> str:
    """The page of two runs compared, made as the report's is."""
    template = _environment().get_template("across.html.j2")
    page = across_page(found, first, second)
    return template.render(page=page, nothing_shared=NOTHING_SHARED, no_interval=NO_INTERVAL)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("parity.report.html"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = files("parity.report.html").joinpath("templates", "style.css").read_text(encoding="utf-8")
    environment.globals["style"] = Markup(style)  # noqa: S704 - a file of this package
    environment.filters |= {"lines": _lines, "code": _code}
    return environment


def _shown(value: object) -> object:
    """Markup is ours; of any other text, control characters are left out."""
    return value if isinstance(value, Markup) else printable(str(value))


def _code(text: str) -> Markup:
    """Text in which what stands between two backticks is code."""
    parts = [escape(printable(part)) for part in text.split("`")]
    if len(parts) % 2 == 0:
        return escape(printable(text))
    return Markup().join(Markup("<code>{}</code>").format(part) if k % 2 else part for k, part in enumerate(parts))


def _lines(text: str) -> Markup:
    """Text whose lines stay lines."""
    return escape(printable_lines(text))
