"""Foreign text made fit for a line of a report: no control characters, and Markdown's own escaped."""

import re
from collections.abc import Sequence

from tabulate import DataRow, TableFormat, tabulate

from parity.report.view import Markdown, Table
from parity.visible import printable

_RUN = re.compile(
    r"(?<!\\)(?P<pairs>(?:\\\\)*)<(?=[A-Za-z/!?])(?!https?://[^\s<>]*>)"  # HTML, but for an address
    r"|(?<=\])\((?=\s*<?\s*(?:javascript|vbscript|data):)",
    re.IGNORECASE,
)
_ACTIVE = re.compile(
    r"\\(?=[!-/:-@\[-`{-~])"  # a backslash that would escape what follows
    r"|`|~(?=~)|(?<!\w)_|_(?!\w)|\*(?=\S)|(?<=\S)\*"  # code, strike-through, emphasis
    r"|<(?=[A-Za-z/!?])|&(?=#?\w+;)|(?<=\])\("  # HTML, entities, links
)


def inline(text: str) -> Markdown:
    """Text as it shall be seen, escaped only where Markdown would take a character for its own."""
    return Markdown(_ACTIVE.sub(r"\\\g<0>", printable(text)))


def harmless(text: str) -> Markdown:
    """Markdown that somebody wrote, without HTML, links to scripts, and characters that act on a terminal."""
    return Markdown(_RUN.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", printable(text)))


def escaped(value: object) -> Markdown:
    """What a template prints: `Markdown` as it stands, anything else as `inline` text."""
    return value if isinstance(value, Markdown) else inline(str(value))


def cell(text: str) -> Markdown:
    """Text for a cell of a table, whose columns a bare `|` would shift."""
    return Markdown(inline(text).replace("|", "\\|"))


def markdown_table(table: Table) -> Markdown:
    """A pipe table without padding, whose cells may hold any text: `| Metric | Delta |` can be searched for."""
    headers = [cell(text) for text in table.headers]
    rule = "|".join("-" * (len(text) + 2) for text in headers)
    row = DataRow("|", "|", "|")
    pipes = TableFormat(None, lambda *_: f"|{rule}|", None, None, row, row, padding=1, with_header_hide=None)
    rows = [[cell(str(marked)) for marked in marked_row] for marked_row in table.rows]
    return Markdown(tabulate(rows, headers, tablefmt=pipes, disable_numparse=True, stralign=None))


def code_span(text: str) -> Markdown:
    """Text as code, whatever backticks it holds."""
    plain = printable(text)
    ticks = "`" * (_longest_run(plain) + 1)
    pad = " " if "`" in plain else ""
    return Markdown(f"{ticks}{pad}{plain}{pad}{ticks}")


def fenced(lines: Sequence[str]) -> Markdown:
    """Lines as a code block, whatever backticks they hold."""
    plain = [printable(line) for line in lines]
    fence = "`" * max(3, _longest_run("\n".join(plain)) + 1)
    return Markdown("\n".join([f"{fence}text", *plain, fence]))


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)
