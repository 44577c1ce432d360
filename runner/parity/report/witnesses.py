"""Figures of other benchmarks as tables: alone, in the report of a run, or of two runs."""

from collections.abc import Iterator

from parity.records import Report, Summary
from parity.records.witness import Witness, WitnessComparison, Witnesses
from parity.report.index import Index, metric_title
from parity.report.view import Marked, Table
from parity.units import format_ratio, format_value
from parity.visible import printable

BESIDE = ("prompt_tps", "gen_tps")

NO_RATIO = (
    "No ratio to what parity measured: llama-bench times random tokens again and again in one process, without "
    "sampling; parity times the answer to a prompt in a fresh process."
)
NOT_MEASURED = "parity did not measure these figures, and no gate reads them."
NO_INTERVAL = "Ratios have no interval and are no verdicts: all repetitions of a figure are of one process."


def witness_blocks(found: Witnesses, beside: Report | None = None) -> Iterator[str | Table]:
    """A table for each definition, where each figure comes from, and what a run measured in its own way."""
    yield from witness_tables(found)
    if found.comparisons:
        yield NO_INTERVAL
    if beside is not None:
        yield _run(beside)
        yield NO_RATIO


def witness_tables(found: Witnesses) -> Iterator[Table]:
    """A table for each definition, with where its figures come from."""
    compared = {comparison.ours: comparison for comparison in found.comparisons}
    for definition in dict.fromkeys(witness.definition for witness in found.witnesses):
        alike = [witness for witness in found.witnesses if witness.definition == definition]
        rows = tuple(
            tuple(map(Marked, (f"[{w.number}]", _value(w), str(len(w.values) or "—"), _ratio(compared.get(w.number)))))
            for w in alike
        )
        headers = ("", "Reported", "Repetitions", f"Ratio to [{alike[0].number}]")
        sources = (f"[{w.number}] {printable(w.file)}, entry {w.entry}: {printable(_source(w))}" for w in alike)
        notes = (*sources, *_notes(alike, compared))
        yield Table(headers, rows, notes, title=f"{definition}: {alike[0].meaning}")


def of_witnesses(found: Witnesses) -> tuple[str, ...]:
    """What must be known of them in the report of a run."""
    return (NOT_MEASURED, *([NO_INTERVAL] if found.comparisons else []), NO_RATIO)


def of_both(first: Witnesses | None, second: Witnesses | None) -> list[Witness]:
    """The witnesses of two runs, each told by its run; none unless both have some."""
    if first is None or second is None:
        return []
    sides = (("first run", first), ("second run", second))
    return [witness.but(file=f"{name}, {witness.file}") for name, found in sides for witness in found.witnesses]


def _value(witness: Witness) -> str:
    spread = "" if witness.deviation is None else f" ± {witness.deviation:.2f}"
    return f"{format_value(witness.value, witness.unit)}{spread}"


def _ratio(comparison: WitnessComparison | None) -> str:
    if comparison is None:
        return ""
    return "NOT COMPARABLE" if comparison.ratio is None else format_ratio(comparison.ratio, None)


def _notes(alike: list[Witness], compared: dict[int, WitnessComparison]) -> Iterator[str]:
    for witness in alike:
        if (comparison := compared.get(witness.number)) is None:
            continue
        if comparison.reason is not None:
            yield f"[{witness.number}] not comparable: {comparison.reason}"
        if comparison.differs:
            yield f"[{witness.number}] differs: {printable(', '.join(comparison.differs))}"
        yield f"[{witness.number}] not proven equal: {printable(', '.join(comparison.unproven))}"


def _source(witness: Witness) -> str:
    facts = witness.facts
    device = facts.get("gpu_info") or facts.get("cpu_info")
    known = (facts.get("model_type"), facts.get("backends"), device, witness.build, witness.when)
    return ", ".join(str(fact) for fact in known if fact)


def _run(report: Report) -> Table:
    rows = tuple(
        tuple(map(Marked, (title, metric_title(s.metric), format_value(s.centre, s.unit), s.definition)))
        for title, s in _summaries(Index(report))
        if s.centre is not None
    )
    return Table(("Cell", "Metric", "Measured", "Definition"), rows, title=f"What parity measured in {report.run}")


def _summaries(index: Index) -> Iterator[tuple[str, Summary]]:
    for workload in index.workloads:
        for runtime in (index.baseline, *index.implementations):
            cell = index.cell(workload.model.name, workload.test.name, runtime.name)
            for metric in BESIDE:
                if (summary := cell.compared(metric)) is not None:
                    yield f"{cell.title} · {workload.title}", summary
