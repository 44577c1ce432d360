"""From a report, and the transcripts of a cell's trials, to an explanation. Pure."""

import shlex
from collections.abc import Callable, Collection, Sequence

from parity.explain.conditions import conditions_of
from parity.explain.identity import departures_of, facts_of
from parity.explain.naming import command, name_of, shortest
from parity.explain.outputs import outputs_of
from parity.explain.records import (
    CellExplained,
    CellLine,
    DefinitionUsed,
    MetricExplained,
    MetricLine,
    RunExplained,
)
from parity.explain.results import result_of
from parity.explain.rounds import rounds_of
from parity.explain.tracing import Traced
from parity.reading.dictionary import METRICS, REPORTED, only_a_bound
from parity.records import Cell, Comparison, Diagnosis, Report, Summary, Trial, Verdict
from parity.report.diagnosis import diagnose
from parity.report.index import WORST_FIRST, CellResults, Index
from parity.stats import Looks

TraceOf = Callable[[Trial], Traced]
"""Opens the transcript of a trial and reads its events."""


def cells_of(report: Report) -> tuple[Cell, ...]:
    """The cells that the run's config asks for, in its order, the ones that did not run included."""
    found = [(s.model, s.test, s.runtime) for s in report.summaries]
    found += [(n.model, n.test, n.runtime) for n in report.not_run]
    return tuple(dict.fromkeys([*found, *((v.model, v.test, v.runtime) for v in report.verdicts)]))


def explain_run(report: Report, folder: str) -> RunExplained:
    """All cells in brief. `folder`: the run folder as the user named it."""
    cells, index = cells_of(report), Index(report)
    verdicts = {cell: verdicts_on(report, cell) for cell in cells}
    return RunExplained(
        run=report.run,
        baseline=report.baseline,
        interrupted=report.interrupted,
        exit_code=report.exit.code,
        exit_reason=report.exit.reason,
        cells=tuple(
            CellLine(
                name=name_of(cell),
                ran=_ran(index.cell(*cell)),
                verdicts={v.gate: v.verdict for v in verdicts[cell] if v.runtime == cell[2]},
            )
            for cell in cells
        ),
        ask=tuple(command(folder, shortest(cell, cells)) for cell in _worst_first(cells, report)[:3]),
    )


def explain_cell(report: Report, cell: Cell, folder: str) -> CellExplained:
    """All metrics of a cell in brief."""
    found, base = _sides(report, cell)
    verdicts = verdicts_on(report, cell)
    lines = tuple(_metric_line(found, base, metric, verdicts) for metric in METRICS)
    part = shortest(cell, cells_of(report))
    judged = dict.fromkeys(v.metric for v in verdicts if v.metric is not None)
    ask = [*judged, *(line.metric for line in lines if line.value is not None and line.metric not in judged)]
    outputs = outputs_of(report, cell)
    at_fault = outputs is not None and outputs.verdict is not None and outputs.verdict.verdict in ("DRIFT", "WRONG")
    return CellExplained(
        run=report.run,
        model=cell[0],
        test=cell[1],
        runtime=cell[2],
        baseline=None if base is None else base.name,
        ran=_ran(found),
        failures=tuple(_failures(found)),
        state=next((t.failure.state for t in reversed(found.trials) if t.failure and t.failure.state), ()),
        metrics=lines,
        verdicts=verdicts,
        outputs=outputs,
        diagnosis=_diagnosis(report, cell),
        ask=(
            *(command(folder, part, metric) for metric in ask[:2]),
            *((shlex.join(["parity", "bisect", folder, part]),) if at_fault else ()),
        ),
    )


def _diagnosis(report: Report, cell: Cell) -> Diagnosis | None:
    """What tells a cell from the baseline's, whatever its verdicts are."""
    index = Index(report)
    workload = next((w for w in index.workloads if (w.model.name, w.test.name) == cell[:2]), None)
    if workload is None or cell[2] == report.baseline or not index.cell(*cell).measured_trials():
        return None
    return diagnose(index, workload, cell[2])


def explain_metric(report: Report, cell: Cell, metric: str, trace: TraceOf, looks: Looks) -> MetricExplained:
    """One metric of a cell, from raw lines to verdicts. `looks`: when the run is judged."""
    found, base = _sides(report, cell)
    spec, comparison = METRICS[metric], found.comparisons.get(metric)
    summary = found.compared(metric)
    definition = _definition(found, base, metric)
    rounds = () if definition is None else rounds_of(found, base, metric, definition.id, trace)
    return MetricExplained(
        run=report.run,
        model=cell[0],
        test=cell[1],
        runtime=cell[2],
        baseline=None if base is None else base.name,
        metric=metric,
        title=spec.title,
        unit=spec.unit,
        meaning=spec.meaning,
        absent=_absent(found, summary, comparison),
        definition=definition,
        rounds=rounds,
        result=None if definition is None else result_of(found, base, metric, definition.id, looks),
        identity=facts_of(report, found, base, metric),
        departures=departures_of((found, *([base] if base else [])), metric),
        conditions=conditions_of(
            [*found.trials, *(base.trials if base else ())],
            [t for t in report.void if (t.model, t.test) == cell[:2] and t.runtime in (cell[2], base and base.name)],
            definition.id if definition else None,
        ),
        verdicts=tuple(v for v in verdicts_on(report, cell) if v.metric in (metric, None)),
    )


def worst_question(report: Report, folder: str) -> str | None:
    """The command that explains the worst verdict on which the exit code rests; None where all of them passed."""
    order = [kind for kind in WORST_FIRST if kind not in ("PASS", "NOT APPLICABLE")]
    bad = [v for v in report.verdicts if v.required and v.verdict in order]
    if not bad:
        return None
    worst = min(bad, key=lambda v: order.index(v.verdict))
    cell = shortest((worst.model, worst.test, worst.runtime), cells_of(report))
    return command(folder, cell, *([worst.metric] if worst.metric is not None else []))


def verdicts_on(report: Report, cell: Cell) -> tuple[Verdict, ...]:
    """The verdicts that read a cell: on itself, and of the comparisons with it."""
    model, test, runtime = cell
    return tuple(
        v
        for v in report.verdicts
        if (v.model, v.test) == (model, test) and (v.runtime == runtime or (v.compares and runtime == report.baseline))
    )


def _sides(report: Report, cell: Cell) -> tuple[CellResults, CellResults | None]:
    index = Index(report)
    base = None if cell[2] == report.baseline else index.cell(*cell[:2], report.baseline)
    return index.cell(*cell), base


def _metric_line(found: CellResults, base: CellResults | None, metric: str, verdicts: Sequence[Verdict]) -> MetricLine:
    summary, comparison = found.compared(metric), found.comparisons.get(metric)
    definition = summary.definition if summary is not None and summary.centre is not None else None
    other = base.summary(metric, definition) if base is not None and definition is not None else None
    return MetricLine(
        metric=metric,
        unit=METRICS[metric].unit,
        value=None if summary is None else summary.centre,
        baseline=other.centre if other is not None and other.definition == definition else None,
        ratio=comparison.ratio if comparison else None,
        difference=comparison.difference if comparison else None,
        interval=comparison.interval if comparison else summary.interval if summary else None,
        definition=definition,
        reason=_absent(found, summary, comparison),
        verdicts={v.gate: v.verdict for v in verdicts if v.metric == metric},
    )


def _absent(found: CellResults, summary: Summary | None, comparison: Comparison | None) -> str | None:
    if summary is None or summary.centre is None:
        return found.absence(summary)
    return comparison.reason if comparison is not None else None


def _of_one_side(
    found: CellResults, base: CellResults | None, metric: str, definition: str, ours: Collection[str]
) -> str:
    """Which side alone has a value by a definition, and why the other one has none, where its trials say so."""
    has, lacks = (found, base) if definition in ours else (base or found, found)
    trials = lacks.measured_trials() if lacks is not None else []
    reasons = (m.reason for t in trials for m in t.measurements if (m.metric, m.definition) == (metric, definition))
    why = next(filter(None, reasons), None)
    return f"{has.name} only; {lacks.name}: {why}" if lacks is not None and why else f"{has.name} only"


def _definition(found: CellResults, base: CellResults | None, metric: str) -> DefinitionUsed | None:
    """The definition by which the sides are compared; without a comparison, the strictest that has a value."""
    summary, comparison = found.compared(metric), found.comparisons.get(metric)
    used = comparison.definition if comparison is not None and comparison.definition is not None else None
    if used is None and (summary is None or summary.centre is None):
        return None
    used = used or (summary.definition if summary is not None else "")
    listed = {d.id: d.sentence for d in METRICS[metric].definitions}
    ours = {s.definition for s in found.summaries if s.metric == metric and s.centre is not None}
    theirs = {s.definition for s in base.summaries if s.metric == metric and s.centre is not None} if base else ours
    others = {}
    for other in dict.fromkeys([*listed, *sorted(ours | theirs)]):
        if other != used and other in ours | theirs:
            others[other] = "less strict" if other in ours & theirs else _of_one_side(found, base, metric, other, ours)
    why = "the strictest that the cell has" if base is None else "the strictest that both sides have in one round"
    if base is not None and used not in theirs:
        why = f"the strictest of {found.name}; {base.name} has no value by it"
    sentence = listed.get(used, "the runtime's own figure" if used.startswith(REPORTED) else used)
    return DefinitionUsed(id=used, sentence=sentence, why=why, bound=only_a_bound(metric, used), others=others)


def _ran(found: CellResults) -> str:
    good = sum(trial.failure is None for trial in found.trials)
    text = f"{good} of {len(found.trials)} trials gave a result" if found.trials else "no trial ran"
    if found.not_run is None:
        return text
    left = found.not_run
    return f"{text}; {left.planned - left.ran} of {left.planned} planned did not run: {left.kind}: {left.reason}"


def _failures(found: CellResults) -> list[str]:
    return [
        f"{trial.file}: {trial.failure.kind}: {trial.failure.message}"
        for trial in found.trials
        if trial.failure is not None
    ]


def _worst_first(cells: Sequence[Cell], report: Report) -> list[Cell]:
    """The cells whose verdicts a user asks about first; the baseline's own come last."""

    def place(cell: Cell) -> tuple[bool, int]:
        kinds = [WORST_FIRST.index(v.verdict) for v in report.verdicts if (v.model, v.test, v.runtime) == cell]
        return cell[2] == report.baseline, min(kinds, default=len(WORST_FIRST))

    return sorted(cells, key=place)
