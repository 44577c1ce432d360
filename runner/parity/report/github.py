"""What GitHub Actions shows of a run: annotations, and the summary of a step."""

from collections.abc import Iterator, Sequence

from parity.records import Exit, Report, Verdict
from parity.report.brief import brief
from parity.report.index import WORST_FIRST, Index
from parity.report.markdown import fenced, inline, markdown_table
from parity.report.outcomes import is_told_by, outcome_of
from parity.report.view import BriefView, Marked, Table
from parity.visible import printable

MOST_ANNOTATIONS = 10
"""GitHub shows so many of a kind for each step."""

MOST_SUMMARY_BYTES = 1 << 20
"""GitHub refuses a longer summary of a step."""

_LONGEST_MESSAGE = 1000


def annotations(report: Report, exit: Exit) -> list[str]:
    """Workflow commands, the worst verdict first: `error` for what the exit code tells of, `warning` for what it lets
    pass. Nothing in a name or a sentence can end the line or begin a command of its own."""
    found: list[tuple[str, str, str]] = []
    for verdict in sorted(report.verdicts, key=lambda v: WORST_FIRST.index(v.verdict)):
        outcome = outcome_of(verdict, exit)
        if outcome == "passed" or (verdict.verdict == "NOT APPLICABLE" and not verdict.fell_away):
            continue
        level = "warning" if outcome == "skipped" else "error"
        found.append((level, f"{verdict.verdict}: {verdict.gate}", f"{_cell(verdict)}: {verdict.sentence}"))
    if not is_told_by([outcome_of(verdict, exit) for verdict in report.verdicts], exit):
        found.insert(0, ("error", f"parity: exit code {exit.code}", exit.reason))
    lines = []
    for level in ("error", "warning"):
        alike = [entry for entry in found if entry[0] == level]
        shown = alike if len(alike) <= MOST_ANNOTATIONS else alike[: MOST_ANNOTATIONS - 1]
        lines += [_command(*entry) for entry in shown]
        if more := len(alike) - len(shown):
            lines.append(_command(level, "parity", f"{more} more verdicts are in the summary"))
    if report.gates_from is not None:
        lines.append(_command("notice", "parity", f"judged by gates chosen after the run, from {report.gates_from}"))
    return lines


def step_summary(report: Report, exit: Exit) -> str:
    """Markdown: the exit code, each gate, one table of all runtimes for each test, and what went wrong."""
    view = brief(Index(report))
    text = "\n\n".join(_blocks(report, view, exit))
    if len(text.encode()) > MOST_SUMMARY_BYTES // 2:
        text = f"{_head(report, exit)}\n\nThe summary is too long to be shown here; `parity report` prints it."
    return f"{text}\n"


def _blocks(report: Report, view: BriefView, exit: Exit) -> Iterator[str]:
    yield _head(report, exit)
    for notice in view.notices:
        yield inline(notice)
    if view.gates:
        yield _table(("Verdict", "Gate"), [(gate.verdict, gate.text) for gate in view.gates])
    for gate in view.gates:
        for advice in gate.advice:
            yield f"{inline(gate.short)}:\n\n{fenced(advice.splitlines())}"
    for table in view.tables[0] if view.tables else ():
        yield f"### {inline(table.title)}"
        yield _table(
            ("", *view.runtimes),
            [
                (row.title, row.baseline, *(f"{side.value} {side.ratio}".strip() for side in row.implementations))
                for row in table.rows
            ],
        )
    if view.more_tests:
        yield f"{view.more_tests} more tests are in the report."
    for remark in view.remarks:
        advice = f"\n\n{fenced(remark.advice.splitlines())}" if remark.advice else ""
        yield f"**{remark.label}** {inline(remark.text)}{advice}"


def _table(headers: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    return markdown_table(Table(headers, tuple(tuple(map(Marked, row)) for row in rows)))


def _head(report: Report, exit: Exit) -> str:
    return f"## parity: {inline(report.name)}\n\n**Exit code {exit.code}**: {inline(exit.reason)}"


def _cell(verdict: Verdict) -> str:
    return f"{verdict.model}/{verdict.test}/{verdict.runtime}"


def _command(level: str, title: str, message: str) -> str:
    short = message if len(message) <= _LONGEST_MESSAGE else f"{message[: _LONGEST_MESSAGE - 1]}…"
    return f"::{level} title={_escaped(title).replace(':', '%3A').replace(',', '%2C')}::{_escaped(short)}"


def _escaped(text: str) -> str:
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
