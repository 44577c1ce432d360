"""What a report says of the identity of two sides: beside a verdict, above a ratio, and as a table of all facts."""

from collections.abc import Sequence

from parity.reading.facts import FACTS
from parity.records import FactRow, Verdict
from parity.report.index import Index, Pair, Workload
from parity.report.view import Marked, Table

_LONGEST_HEADING = 60

_MEANINGS = {
    "equal": "equal",
    "shown": "shown, may differ",
    "differs": "differs",
    "declared": "declared",
    "unproven": "not known to be equal",
}


def beside(verdict: Verdict) -> str:
    """The verdict's sentence, with the differences that the config declares and the facts that are not proven."""
    parts = [verdict.sentence]
    if verdict.declared:
        parts.append(f"declared: {'; '.join(verdict.declared)}")
    if verdict.unproven and verdict.verdict in ("PASS", "FAIL", "INCONCLUSIVE"):
        parts.append(f"unproven: {', '.join(verdict.unproven)}")
    return "; ".join(parts)


def delta_heading(pair: Pair) -> str:
    """The header of the Delta column, with the differences between the two sides that the config declares."""
    rows = [row for row in pair.facts if row.state == "declared" and None not in (row.ours, row.theirs)]
    if not rows:
        return "Delta"
    values = ", ".join(f"{_title(row)} {row.theirs} → {row.ours}" for row in rows)
    if len(values) > _LONGEST_HEADING:
        values = ", ".join(_title(row) for row in rows)
    return f"Delta ({values})"


def declarations(pair: Pair) -> list[str]:
    """One line for each declared difference between the two sides."""
    return [
        f"Declared: {_title(row)}, {row.theirs or 'not reported'} and {row.ours or 'not reported'}: {row.reason}"
        for row in pair.facts
        if row.state == "declared"
    ]


def unproven(pair: Pair) -> list[str]:
    """The facts that are not known to be equal, as one line."""
    found = [_title(row) for row in pair.facts if row.state == "unproven"]
    return [f"Not known to be equal on both sides: {', '.join(found)}."] if found else []


def facts_table(index: Index, workload: Workload, implementation: str) -> Table | None:
    """Every fact of both sides, and what it means for their comparison; None where neither side gave a result."""
    pair = index.pair(workload, implementation)
    if not pair.facts:
        return None
    headers = ("Fact", index.baseline.title, index.runtime_title(implementation), "Meaning")
    return Table(headers, tuple(_cells(pair.facts)))


def _cells(rows: Sequence[FactRow]) -> list[tuple[Marked, ...]]:
    return [
        (
            Marked(_title(row)),
            Marked(row.theirs or "not reported"),
            Marked(row.ours or "not reported"),
            Marked(f"{_MEANINGS[row.state]}: {row.reason}" if row.reason else _MEANINGS[row.state]),
        )
        for row in rows
    ]


def _title(row: FactRow) -> str:
    return FACTS[row.fact].title if row.fact in FACTS else row.fact
