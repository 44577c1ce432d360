"""What a report says of the identity of two sides: beside a verdict, above a ratio, and as a table of all facts."""

from collections.abc import Sequence

from parity.reading.facts import FACTS
from parity.records import FactRow, ModelFacts, Verdict
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


OF_A_BUILD = ("version", "commit", "features", "compiler_flags")
"""Facts in which two builds of one runtime differ, which no config has to declare."""


def delta_heading(pair: Pair, model: ModelFacts) -> str:
    """The header of the Delta column, with the differences between the two sides that the config declares, and those of
    two builds of one runtime. `model`: the baseline's."""
    both = pair.baseline.runtime, pair.implementation.runtime if pair.implementation else None
    alike = None not in both and len({runtime.adapter for runtime in both if runtime is not None}) == 1
    rows = [
        row
        for row in pair.facts
        if (row.state == "declared" or (alike and row.state == "shown" and row.fact in OF_A_BUILD))
        and None not in (row.ours, row.theirs)
    ]
    if not rows:
        return "Delta"
    own = both[1].model if both[1] is not None else None
    values = ", ".join(" → ".join(_sides(row, model, own)) for row in rows)
    if len(values) > _LONGEST_HEADING:
        values = ", ".join(_title(row) for row in rows)
    return f"Delta ({values})"


def _sides(row: FactRow, model: ModelFacts, own: ModelFacts | None) -> tuple[str, str]:
    """The title and the baseline's value, and the implementation's value. Weights go by what they are stored as, or by
    the titles of their models."""
    if row.fact != "weights" or own is None:
        return f"{_title(row)} {row.theirs}", f"{row.ours}"
    types = tuple(_type_of(each) for each in (model, own))
    one, other = types if None not in types and types[0] != types[1] else (model.title, own.title)
    return f"model {one}", f"{other}"


def _type_of(model: ModelFacts) -> str | None:
    """The type of most tensors but those of F32, which norms are in every file."""
    counts = {kind: count for kind, count in model.quantisation.items() if kind != "F32"} or model.quantisation
    return max(counts, key=lambda kind: counts[kind], default=None)


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
    return _table(index, implementation, index.pair(workload, implementation).facts)


def differences_table(index: Index, workload: Workload, implementation: str) -> Table | None:
    """Of these, the facts that differ or are declared; None where there is none."""
    facts = index.pair(workload, implementation).facts
    return _table(index, implementation, [row for row in facts if row.state in ("differs", "declared")])


def _table(index: Index, implementation: str, rows: Sequence[FactRow]) -> Table | None:
    if not rows:
        return None
    headers = ("Fact", index.baseline.title, index.runtime_title(implementation), "Meaning")
    return Table(headers, tuple(_cells(rows)))


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
