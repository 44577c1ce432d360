"""Views laid out as Markdown by the templates beside this module. All that they print is escaped unless it is
`Markdown` already."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from parity.report.delta import MISSING
from parity.report.markdown import code_span, escaped, fenced, markdown_table
from parity.report.view import PageView, ReportView


def render(template: str, view: ReportView | PageView) -> str:
    """A template of `templates/` with the view's fields as its names."""
    return _environment().get_template(template).render(vars(view))


@cache
def _environment() -> Environment:
    environment = Environment(  # noqa: S701 - Markdown, which `finalize` escapes
        loader=PackageLoader("parity.report"),
        finalize=escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["missing"] = MISSING
    environment.filters |= {"code": code_span, "fenced": fenced, "table": markdown_table}
    return environment
