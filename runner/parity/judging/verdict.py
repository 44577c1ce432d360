"""Gates judged on summaries, comparisons and trials; and the exit code that follows. Pure.

Never a false verdict: an interval that straddles a bound is INCONCLUSIVE, sides that did not run the same are NOT
COMPARABLE, and what was not measured is NOT RUN. No evidence is never a pass.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from parity import stats
from parity.compare import Measured, doubt
from parity.config import BoundGate, Config, ConsistencyGate, Gate, NoFailedTrialsGate, RatioGate, When
from parity.reading.dictionary import METRICS, REPORTED, only_a_bound
from parity.reading.outcome import NEVER_RAN
from parity.records import Cell, Comparison, Exit, Interval, Trial, Verdict, VerdictKind
from parity.units import format_value


@dataclass(frozen=True)
class Evidence:
    """What verdicts rest on. `devices` holds a runtime's device where it is known; `unset` the runtimes not set here;
    `planned` how many trials of each cell the plan holds, warm-up included."""

    config: Config
    trials: Sequence[Trial]
    comparisons: Sequence[Comparison]
    planned: Mapping[Cell, int]
    platform: str
    devices: Mapping[str, str]
    unset: frozenset[str] = frozenset()
    measured: Measured = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "measured", Measured(self.trials))

    def of(self, cell: Cell) -> list[Trial]:
        """All trials of a cell, warm-up included."""
        return [t for t in self.trials if (t.model, t.test, t.runtime) == cell]

    def comparison(self, cell: Cell, metric: str) -> Comparison | None:
        return next((c for c in self.comparisons if (c.model, c.test, c.runtime) == cell and c.metric == metric), None)


@dataclass(frozen=True)
class Judgement:
    """A verdict before it is tied to its gate and cell."""

    verdict: VerdictKind
    sentence: str
    value: float | None = None
    interval: Interval | None = None


def judge(evidence: Evidence) -> Iterator[Verdict]:
    """One verdict for every gate on every cell that it names, in the order of the config."""
    config = evidence.config
    for gate in config.gates:
        for runtime in gate.runtimes or config.implementations:
            for model, test in _cells_of(config, gate):
                cell = (model, test, runtime)
                judgement = _applies(gate, cell, evidence) or _judge_one(gate, cell, evidence)
                yield Verdict(
                    gate=gate.name,
                    kind=gate.kind,
                    metric=None if isinstance(gate, NoFailedTrialsGate) else gate.metric,
                    model=model,
                    test=test,
                    runtime=runtime,
                    required=gate.required,
                    verdict=judgement.verdict,
                    sentence=judgement.sentence,
                    value=judgement.value,
                    interval=judgement.interval,
                )


def _cells_of(config: Config, gate: Gate) -> Iterator[tuple[str, str]]:
    for model in config.models:
        for test in config.tests:
            runs_here = test.models is None or model.name in test.models
            if runs_here and (gate.tests is None or test.name in gate.tests):
                yield model.name, test.name


def _applies(gate: Gate, cell: Cell, evidence: Evidence) -> Judgement | None:
    """NOT APPLICABLE, or NOT RUN where the device that decides it was never seen; None where the gate applies."""
    runtime = cell[2]
    if runtime in evidence.unset:
        return Judgement("NOT APPLICABLE", f"{runtime} is optional and not set here")
    when = gate.when or When()
    if when.platform is not None and when.platform != evidence.platform:
        return Judgement("NOT APPLICABLE", f"applies on {when.platform}; this is {evidence.platform}")
    if when.device is None:
        return None
    device = evidence.devices.get(runtime)
    if device is None:
        return Judgement("NOT RUN", f"applies on {when.device}; the device of {runtime} was not seen")
    if when.device.casefold() not in device.casefold():
        return Judgement("NOT APPLICABLE", f"applies on {when.device}; {runtime} ran on {device}")
    return None


def _judge_one(gate: Gate, cell: Cell, evidence: Evidence) -> Judgement:
    match gate:
        case BoundGate():
            return _judge_bound(gate, cell, evidence)
        case RatioGate():
            return _judge_ratio(gate, cell, evidence)
        case ConsistencyGate():
            return _judge_consistency(gate, cell, evidence)
        case NoFailedTrialsGate():
            return _judge_no_failed(cell, evidence)


def _judge_bound(gate: BoundGate, cell: Cell, evidence: Evidence) -> Judgement:
    values = _strictest(gate.metric, cell, evidence)
    if isinstance(values, Judgement):
        return values
    unit = METRICS[gate.metric].unit
    estimate = stats.geometric_mean(values)
    asked = _asked(gate.min, gate.max, lambda bound: format_value(bound, unit))
    judgement = _against(
        estimate, gate.min, gate.max, f"{gate.metric} {format_value(estimate.centre, unit)}", asked, unit
    )
    return replace(judgement, sentence=judgement.sentence + _share(gate.metric, cell, evidence))


def _share(metric: str, cell: Cell, evidence: Evidence) -> str:
    """The part of a metric that another one holds, where it was seen: a gate reads the whole, and says the part."""
    part = METRICS[metric].part
    values = _strictest(part, cell, evidence) if part is not None else []
    if part is None or isinstance(values, Judgement) or not values:
        return ""
    return f"; {part} is {format_value(stats.geometric_mean(values).centre, METRICS[part].unit)} of it"


def _judge_ratio(gate: RatioGate, cell: Cell, evidence: Evidence) -> Judgement:
    comparison = evidence.comparison(cell, gate.metric)
    if comparison is None:
        return Judgement("NOT RUN", "nothing was compared")
    if not comparison.comparable:
        return Judgement("NOT COMPARABLE", f"{gate.metric}: {comparison.reason}")
    if bound := only_a_bound(gate.metric, comparison.definition or ""):
        return Judgement("NOT COMPARABLE", f"{gate.metric}: {comparison.definition} gives only a {bound} bound")
    if comparison.ratio is None:
        return Judgement("NOT RUN", f"{gate.metric}: {comparison.reason}")
    if missing := _missing_rounds(comparison, cell, evidence):
        return Judgement("INCONCLUSIVE", missing)
    if comparison.doubt is not None:
        return Judgement("INCONCLUSIVE", f"{gate.metric}: {comparison.doubt}")
    interval = comparison.interval
    estimate = stats.Estimate(comparison.ratio, interval.low if interval else None, interval.high if interval else None)
    asked = _asked(gate.min_ratio, gate.max_ratio, lambda bound: f"{bound:g}×")
    own = " by what both print of themselves" if (comparison.definition or "").startswith(REPORTED) else ""
    seen = f"{gate.metric}{own} {estimate.centre:.3g}× {comparison.baseline}"
    return _against(estimate, gate.min_ratio, gate.max_ratio, seen, asked, "×")


def _judge_consistency(gate: ConsistencyGate, cell: Cell, evidence: Evidence) -> Judgement:
    values = _strictest(gate.metric, cell, evidence)
    if isinstance(values, Judgement):
        return values
    estimate = stats.coefficient_of_variation(values)
    if estimate.low is None:
        return Judgement("INCONCLUSIVE", f"{gate.metric}: one round says nothing of consistency; run more rounds")
    seen = f"{gate.metric} varies by {estimate.centre:.1%}"
    return _against(estimate, None, gate.max_cv, seen, f"at most {gate.max_cv:.0%}", "%")


def _judge_no_failed(cell: Cell, evidence: Evidence) -> Judgement:
    trials = evidence.of(cell)
    failures = [t.failure for t in trials if t.failure is not None]
    hard = [f for f in failures if f.kind not in (*NEVER_RAN, "interrupted")]
    if hard:
        kinds = ", ".join(sorted({f.kind for f in hard}))
        return Judgement("FAIL", f"{len(hard)} of {len(trials)} trials failed ({kinds}): {hard[0].message}")
    if failures:
        return Judgement("NOT RUN", f"{failures[0].kind}: {failures[0].message}")
    missing = evidence.planned.get(cell, 0) - len(trials)
    if missing > 0 or not trials:
        return Judgement("NOT RUN", f"{missing} of {evidence.planned.get(cell, 0)} planned trials did not run")
    return Judgement("PASS", f"all {len(trials)} trials ended well")


def _missing_rounds(comparison: Comparison, cell: Cell, evidence: Evidence) -> str | None:
    """That good rounds are in no ratio, and why: what is left out may be what would have failed."""
    base = (*cell[:2], comparison.baseline)
    good = _good_rounds(evidence, cell) & _good_rounds(evidence, base)
    if comparison.definition is None or comparison.rounds >= len(good):
        return None
    metric, definition = comparison.metric, comparison.definition
    whys = [
        f"{side[2]}: {evidence.measured.reason(side, metric, definition)}"
        for side in (base, cell)
        if good - evidence.measured.values(side, metric, definition).keys()
    ]
    return f"{metric} by {definition} was had in {comparison.rounds} of {len(good)} good rounds ({'; '.join(whys)})"


def _good_rounds(evidence: Evidence, cell: Cell) -> set[int]:
    return {trial.round for trial in evidence.measured.trials(cell)}


def _strictest(metric: str, cell: Cell, evidence: Evidence) -> list[float] | Judgement:
    """A cell's values by its strictest definition; NOT RUN with the reason where there are none.

    The runtime's own report is no evidence: what it means is the runtime's affair. Neither is a mere bound."""
    measured = evidence.measured
    for definition in measured.definitions(cell, metric):
        if definition.startswith(REPORTED) or only_a_bound(metric, definition):
            continue
        values = [m.value for m in measured.values(cell, metric, definition).values() if m.value is not None]
        if values and len(values) < len(_good_rounds(evidence, cell)):
            good = len(_good_rounds(evidence, cell))
            return Judgement("INCONCLUSIVE", f"{metric} was had in {len(values)} of {good} good rounds")
        if values and (doubted := doubt(measured, cell, metric, definition)) is not None:
            return Judgement("INCONCLUSIVE", f"{metric}: {doubted}")
        if values and min(values) > 0:
            return values
    unfit = [d for d in measured.definitions(cell, metric) if measured.values(cell, metric, d)]
    if unfit:
        return Judgement("NOT COMPARABLE", f"{metric} is only known by {unfit[0]}, and no gate rests on that")
    return Judgement("NOT RUN", f"{metric}: {measured.reason(cell, metric)}")


def _asked(low: float | None, high: float | None, show: Callable[[float], str]) -> str:
    parts = [
        f"at least {show(low)}" if low is not None else "",
        f"at most {show(high)}" if high is not None else "",
    ]
    return " and ".join(part for part in parts if part)


def _against(
    estimate: stats.Estimate, low: float | None, high: float | None, seen: str, asked: str, unit: str
) -> Judgement:
    """PASS when the whole interval lies within the bounds, FAIL when it lies wholly beyond one."""
    if estimate.low is None or estimate.high is None:
        return Judgement("INCONCLUSIVE", f"{seen}, asked: {asked}; one round gives no interval", estimate.centre)
    interval = Interval(low=estimate.low, high=estimate.high, confidence=stats.CONFIDENCE)
    sentence = f"{seen} [{_show(estimate.low, unit)}, {_show(estimate.high, unit)}], asked: {asked}"
    if (low is not None and estimate.high < low) or (high is not None and estimate.low > high):
        return Judgement("FAIL", sentence, estimate.centre, interval)
    if (low is None or estimate.low >= low) and (high is None or estimate.high <= high):
        return Judgement("PASS", sentence, estimate.centre, interval)
    return Judgement("INCONCLUSIVE", sentence, estimate.centre, interval)


def _show(value: float, unit: str) -> str:
    if unit == "%":
        return f"{value:.1%}"
    return f"{value:.3g}" if unit == "×" else format_value(value, unit)


def exit_of(evidence: Evidence, verdicts: Sequence[Verdict], *, interrupted: bool, started: int) -> Exit:
    """parity's exit code: the first line of the table that holds. `started`: how many trials got a process."""
    required = [v for v in verdicts if v.required]
    judged = [v for v in required if v.verdict != "NOT APPLICABLE"]
    if interrupted:
        return Exit(code=130, reason="interrupted; what was measured is kept")
    if started == 0:
        return Exit(code=5, reason="nothing ran")
    if failed := [v for v in judged if v.verdict == "FAIL"]:
        return Exit(code=1, reason=f"required gates failed: {_named(failed)}")
    if broken := _required_failures(evidence, judged):
        return Exit(code=4, reason=f"required trials failed: {broken}")
    if absent := [v for v in judged if v.verdict == "NOT RUN"]:
        return Exit(code=4, reason=f"required gates were not run: {_named(absent)}")
    if not judged:
        return Exit(code=4, reason="no required gate was judged")
    if open_ := [v for v in judged if v.verdict in ("INCONCLUSIVE", "NOT COMPARABLE")]:
        return Exit(code=3, reason=f"required gates are undecided: {_named(open_)}")
    return Exit(code=0, reason=f"every required gate passed ({len({v.gate for v in judged})})")


def _required_failures(evidence: Evidence, judged: Sequence[Verdict]) -> str:
    """Failed trials that a required gate reads: those of its own cell, and the baseline's behind a ratio."""
    read = {(v.model, v.test, v.runtime) for v in judged}
    read |= {(v.model, v.test, evidence.config.baseline) for v in judged if v.kind == "ratio"}
    failed = {
        f"{t.runtime} on {t.test} ({t.failure.kind})": None
        for t in evidence.trials
        if t.failure is not None and (t.model, t.test, t.runtime) in read
    }
    return ", ".join(failed)


def _named(verdicts: Sequence[Verdict]) -> str:
    return ", ".join(dict.fromkeys(f"{v.gate} ({v.runtime}, {v.test})" for v in verdicts))
