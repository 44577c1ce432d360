"""Two runs compared: the same cells by the same rules as within a run. Pure.

Rounds of one run share the state of the machine, which is why ratios to the baseline are trusted. Between two runs the
machine may have changed: the ratio of two values holds that too, so that it is shown and judged by nothing. What is
judged is the change of a ratio to the baseline, each run's own, where both runs had the same baseline.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from parity.compare import Intent, Measured, compare, fact_rows, ratio_at
from parity.judging.outputs_across import OutputsAcross, outputs_across
from parity.judging.past import FIRST, SECOND, PastRun, Runs
from parity.judging.undecided import why_undecided, wrong_outputs
from parity.judging.unlike import changed_verdicts, differences_of
from parity.reading.dictionary import METRICS
from parity.reading.facts import FACTS, is_speed
from parity.records import Cell, Comparison, FactRow, Report, Summary
from parity.stats import ALPHA, LEAST, Looks

METRICS_SHOWN = tuple(name for name, spec in METRICS.items() if spec.better is not None and spec.scale == "ratio")

Word = Literal["better", "worse", "no change shown"]


@dataclass(frozen=True)
class Estimated:
    """A ratio with its interval, which is None where the rounds are too few."""

    ratio: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Row:
    """A metric of a cell in both runs. `definition`: the one of both values; None if they are by different ones.

    `ratio`: the second run's value ÷ the first one's. `to_baseline`: each run's ratio to its own baseline. `change`:
    the second of these ÷ the first, and `word` what it says. `reasons`: why there is no ratio or no change."""

    model: str
    test: str
    runtime: str
    metric: str
    unit: str
    definition: str | None
    values: tuple[float | None, float | None]
    ratio: Estimated | None
    to_baseline: tuple[Estimated | None, Estimated | None]
    change: Estimated | None
    word: Word | None
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Across:
    """`differences`: of machine and conditions; with any, values stand side by side without a ratio. `outputs`: what
    each cell computed in the second run beside the first. `alone`: cells that one run has, and which. `verdicts`: gates
    that came to something else."""

    differences: tuple[str, ...]
    rows: tuple[Row, ...]
    outputs: tuple[OutputsAcross, ...]
    alone: tuple[str, ...]
    verdicts: tuple[str, ...]


def across(first: PastRun, second: PastRun) -> Across:
    """Everything that two runs have in common, beside each other."""
    runs = Runs(first, second)
    differences = tuple(differences_of(first.report, second.report))
    cells = [_cells(run.report) for run in (first, second)]
    shared = [cell for cell in cells[0] if cell in cells[1]]
    found = [_Cell(runs, cell) for cell in shared]
    judged = sum(one.is_judged(metric) for one in found for metric in METRICS_SHOWN)
    alpha = ALPHA / (2 * max(1, judged))
    return Across(
        differences=differences,
        rows=tuple(
            row
            for one in found
            for metric in METRICS_SHOWN
            if (row := _row(one, metric, alpha, apart=bool(differences))) is not None
        ),
        outputs=tuple(outputs_across(runs, cell) for cell in shared),
        alone=tuple(
            f"{'/'.join(cell)}: in {name} alone"
            for name, mine, other in ((FIRST, cells[0], cells[1]), (SECOND, cells[1], cells[0]))
            for cell in mine
            if cell not in other
        ),
        verdicts=tuple(changed_verdicts(first.report, second.report, shared)),
    )


class _Cell:
    """A cell of both runs: its two sides, and those of its baseline."""

    def __init__(self, both: Runs, cell: Cell) -> None:
        first, second = both.first, both.second
        self.cell = cell
        self.runs = (first, second)
        self.bases = (first.report.baseline, second.report.baseline)
        measured = Measured(both.trials(cell))
        self.compared = _compared(measured, cell, _looks(first, second))
        self.to_baseline = [
            {c.metric: c for c in reversed(run.report.comparisons) if (c.model, c.test, c.runtime) == cell}
            for run in self.runs
        ]
        base = (cell[0], cell[1], self.bases[0])
        measured = Measured(both.trials(base))
        self._base_facts = _facts(measured, base)
        self._base_compared = _compared(measured, base, _looks(first, second))

    @property
    def is_baseline(self) -> bool:
        return self.cell[2] in self.bases

    @cached_property
    def _wrong(self) -> list[str | None]:
        """Of each run, how the outputs of the cell keep its speeds from counting."""
        return [wrong_outputs(run.report, run.evidence, self.cell) for run in self.runs]

    def is_judged(self, metric: str) -> bool:
        """Whether there may be a change of its ratio to the baseline."""
        return self.why_no_change(metric) is None

    def why_no_change(self, metric: str) -> str | None:
        """Why a change of the ratio to the baseline can't be told; None where it can."""
        if self.bases[0] != self.bases[1]:
            return f"the runs have different baselines ({self.bases[0]} and {self.bases[1]})"
        sides = [found.get(metric) for found in self.to_baseline]
        for name, side in zip((FIRST, SECOND), sides, strict=True):
            if side is None or not side.has_ratio or side.doubt is not None:
                why = (side.reason or side.doubt) if side is not None else None
                return f"{name} has no ratio to the baseline{f' ({why})' if why else ''}"
            if side.rounds < LEAST:
                return f"{name} has {side.rounds} rounds, and fewer than {LEAST} decide nothing"
        if sides[0] and sides[1] and sides[0].definition != sides[1].definition:
            return f"the ratios are by different definitions ({sides[0].definition} and {sides[1].definition})"
        for what, found in (("", self.compared), ("the baseline: ", self._base_compared)):
            if not found[metric].comparable:
                return f"{what}{found[metric].reason}"
        if (unjudged := self._why_not_judged(metric)) is not None:
            return unjudged
        spec = METRICS[metric]
        changed = [row for row in self._base_facts if FACTS[row.fact].concerns(spec) and row.ours != row.theirs]
        if not self._base_facts:
            return "it is not known what the baseline ran"
        if changed:
            said = ", ".join(f"{FACTS[row.fact].title}: {row.theirs} and {row.ours}" for row in changed)
            return f"the baselines are not the same ({said})"
        return None

    def _why_not_judged(self, metric: str) -> str | None:
        """What keeps a run itself from judging the metric: a runtime that is fast and wrong must not be better."""
        for name, run, found, wrong in zip((FIRST, SECOND), self.runs, self.to_baseline, self._wrong, strict=True):
            for v in run.report.verdicts:
                mine = (v.model, v.test, v.runtime) == self.cell and v.metric == metric
                if mine and v.compares and v.verdict == "NOT COMPARABLE":
                    return f"{name}: {v.finding}"
            if (why := why_undecided(run.evidence, found[metric])) is not None:
                return f"{name}: {why}"
            if wrong is not None and is_speed(METRICS[metric]):
                return f"{name}: its speed does not count, for its outputs are {wrong}"
        return None


def _row(one: _Cell, metric: str, alpha: float, *, apart: bool) -> Row | None:
    """None where no run has a value."""
    compared = one.compared[metric]
    values: tuple[float | None, float | None] = (compared.baseline_value, compared.value)
    if None in values:
        values = (_value(one, 0, metric, compared), _value(one, 1, metric, compared))
    if values == (None, None):
        return None
    why = compared.reason or compared.doubt
    ratio = None if apart or why is not None or not compared.has_ratio else _estimated(compared)
    reasons = [why] if why is not None else []
    change = word = None
    if not one.is_baseline:
        if (no_change := one.why_no_change(metric)) is not None:
            reasons.append(no_change)
        else:
            change = _change(one, metric, alpha)
            word = _word(change, metric)
    sides = [None if one.is_baseline else _own_ratio(found.get(metric)) for found in one.to_baseline]
    return Row(
        *one.cell,
        metric=metric,
        unit=METRICS[metric].unit,
        definition=compared.definition,
        values=values,
        ratio=ratio,
        to_baseline=(sides[0], sides[1]),
        change=change,
        word=word,
        reasons=tuple(dict.fromkeys(reasons)),
    )


def _change(one: _Cell, metric: str, alpha: float) -> Estimated:
    """Of the ratio to the baseline. Both intervals hold at once with the probability that is asked for, so that the
    interval from end to end does too (Bonferroni)."""
    ratios = []
    for run, found in zip(one.runs, one.to_baseline, strict=True):
        ratios.append(ratio_at(found[metric], run.looks)(found[metric].rounds, alpha))
    before, after = ratios
    change = after.centre / before.centre
    if before.low is None or before.high is None or after.low is None or after.high is None:
        return Estimated(change, None)
    return Estimated(change, (after.low / before.high, after.high / before.low))


def _word(change: Estimated, metric: str) -> Word:
    if change.interval is None or change.interval[0] <= 1 <= change.interval[1]:
        return "no change shown"
    return "better" if (change.ratio > 1) == (METRICS[metric].better == "higher") else "worse"


def _own_ratio(comparison: Comparison | None) -> Estimated | None:
    if comparison is None or not comparison.has_ratio or comparison.doubt is not None:
        return None
    return _estimated(comparison)


def _estimated(comparison: Comparison) -> Estimated | None:
    if comparison.ratio is None:
        return None
    interval = comparison.interval
    return Estimated(comparison.ratio, (interval.low, interval.high) if interval else None)


def _value(one: _Cell, side: int, metric: str, compared: Comparison) -> float | None:
    """What one run measured, by the definition that both have or by its own strictest one."""
    found: list[Summary] = [
        s
        for s in one.runs[side].report.summaries
        if (s.model, s.test, s.runtime) == one.cell and s.metric == metric and s.centre is not None
    ]
    same = [s for s in found if s.definition == compared.definition]
    return next((s.centre for s in (*same, *found)), None)


def _compared(measured: Measured, cell: Cell, looks: Looks) -> dict[str, Comparison]:
    sides = [(cell[0], cell[1], SECOND)]
    return {c.metric: c for c in reversed(list(compare(measured, sides, FIRST, Intent(), looks, METRICS_SHOWN)))}


def _facts(measured: Measured, cell: Cell) -> Sequence[FactRow]:
    return fact_rows(measured, (cell[0], cell[1], SECOND), (cell[0], cell[1], FIRST), Intent())


def _looks(first: PastRun, second: PastRun) -> Looks:
    """Of runs that stopped as soon as their gates were decided, the one that allows for that."""
    return second.looks if first.looks.fixed else first.looks


def _cells(report: Report) -> list[Cell]:
    """Those that the config asks for, also where no trial gave a result."""
    return list(dict.fromkeys((found.model, found.test, found.runtime) for found in report.summaries))
