"""From trials to summaries and comparisons: per-round ratios by the strictest definition that both sides have. Pure."""

from collections.abc import Iterator, Sequence

from parity import stats
from parity.reading.dictionary import METRICS, strictness
from parity.reading.identity import conflict
from parity.reading.two_budgets import RATE
from parity.records import Cell, Comparison, Interval, Measurement, Summary, Trial
from parity.units import format_value

WITHIN_A_TRIAL = ("token-stamps", "chunk-interval")
"""Definitions that belie the rate of two budgets where they tell another one: each is of one trial alone."""

MOST_APART = 0.1
"""How far the two may lie apart and still be taken for the same rate: half of the 20 % that gates ask about."""


class Measured:
    """The good measured trials of a run, looked up by cell, metric, definition and round."""

    def __init__(self, trials: Sequence[Trial]) -> None:
        self._cells: dict[Cell, list[Trial]] = {}
        for trial in trials:
            if not trial.warmup and trial.kind == "full":
                self._cells.setdefault((trial.model, trial.test, trial.runtime), []).append(trial)

    @property
    def cells(self) -> Sequence[Cell]:
        return list(self._cells)

    def trials(self, cell: Cell) -> Sequence[Trial]:
        """The good trials of a cell, by round."""
        return [trial for trial in self._cells.get(cell, ()) if trial.failure is None]

    def failed(self, cell: Cell) -> int:
        """How many measured trials of a cell failed."""
        return sum(trial.failure is not None for trial in self._cells.get(cell, ()))

    def definitions(self, cell: Cell, metric: str) -> list[str]:
        """Definitions by which any trial of the cell has or misses the metric, strictest first."""
        seen = {m.definition: None for trial in self.trials(cell) for m in trial.measurements if m.metric == metric}
        return sorted(seen, key=lambda definition: strictness(metric, definition))

    def values(self, cell: Cell, metric: str, definition: str) -> dict[int, Measurement]:
        """Round → the measurement with a value."""
        return {
            trial.round: m
            for trial in self.trials(cell)
            for m in trial.measurements
            if m.metric == metric and m.definition == definition and m.value is not None
        }

    def reason(self, cell: Cell, metric: str, definition: str | None = None) -> str:
        """Why a cell lacks a metric, by a definition where that one gave a reason."""
        if not self.trials(cell):
            failed = self.failed(cell)
            return f"all {failed} trials failed" if failed else "no trial ran"
        reasons = {
            m.definition: m.reason
            for trial in reversed(self.trials(cell))
            for m in trial.measurements
            if m.metric == metric and m.reason is not None
        }
        return reasons.get(definition or "") or next(iter(reasons.values()), "this runtime does not show it")


def summarise(measured: Measured, cells: Sequence[Cell]) -> Iterator[Summary]:
    """One summary for every metric and definition of every planned cell; one with a reason where there is none."""
    for cell in cells:
        for metric in METRICS:
            found = False
            for definition in measured.definitions(cell, metric):
                values = measured.values(cell, metric, definition)
                if values:
                    found = True
                    yield _summary(cell, metric, list(values.values()))
            if not found:
                yield _missing(cell, metric, measured.reason(cell, metric))


def _summary(cell: Cell, metric: str, measurements: Sequence[Measurement]) -> Summary:
    values = tuple(m.value for m in measurements if m.value is not None)
    model, test, runtime = cell
    first = measurements[0]
    estimate = stats.geometric_mean(values) if min(values) > 0 else None
    return Summary(
        model=model,
        test=test,
        runtime=runtime,
        metric=metric,
        unit=first.unit,
        definition=first.definition,
        provenance=first.provenance,
        values=values,
        centre=estimate.centre if estimate else None,
        interval=_interval(estimate) if estimate else None,
        reason=None if estimate else "a value is zero",
        note=first.note,
    )


def _missing(cell: Cell, metric: str, reason: str) -> Summary:
    model, test, runtime = cell
    spec = METRICS[metric]
    return Summary(
        model=model,
        test=test,
        runtime=runtime,
        metric=metric,
        unit=spec.unit,
        definition=spec.definitions[0].id,
        provenance="observed",
        reason=reason,
    )


def _interval(estimate: stats.Estimate) -> Interval | None:
    if estimate.low is None or estimate.high is None:
        return None
    return Interval(low=estimate.low, high=estimate.high, confidence=stats.CONFIDENCE)


def compare(measured: Measured, cells: Sequence[Cell], baseline: str) -> Iterator[Comparison]:
    """Every implementation's cell against the baseline's, in every metric."""
    for cell in cells:
        model, test, runtime = cell
        if runtime != baseline:
            for metric in METRICS:
                yield _compare_metric(measured, cell, (model, test, baseline), metric)


def _compare_metric(measured: Measured, cell: Cell, base: Cell, metric: str) -> Comparison:
    model, test, runtime = cell
    blank = Comparison(
        model=model, test=test, runtime=runtime, baseline=base[2], metric=metric, unit=METRICS[metric].unit
    )
    for side in (base, cell):
        if not any(measured.values(side, metric, d) for d in measured.definitions(side, metric)):
            return blank.model_copy(update={"reason": f"{side[2]}: {measured.reason(side, metric)}"})
    definition = next(
        (
            d
            for d in measured.definitions(base, metric)
            if d in measured.definitions(cell, metric)
            and measured.values(base, metric, d).keys() & measured.values(cell, metric, d).keys()
        ),
        None,
    )
    if definition is None:
        ours, theirs = (
            ", ".join(d for d in measured.definitions(c, metric) if measured.values(c, metric, d)) for c in (cell, base)
        )
        reason = f"no definition in common ({base[2]}: {theirs}; {runtime}: {ours})"
        return blank.model_copy(update={"reason": reason, "comparable": False})
    theirs_by_round, ours_by_round = (measured.values(c, metric, definition) for c in (base, cell))
    rounds = sorted(theirs_by_round.keys() & ours_by_round.keys())
    clash = _clash(measured, metric, base, cell, rounds)
    if clash is not None:
        return blank.model_copy(
            update={"definition": definition, "rounds": len(rounds), "reason": clash, "comparable": False}
        )
    ours_values = [v for r in rounds if (v := ours_by_round[r].value) is not None]
    base_values = [v for r in rounds if (v := theirs_by_round[r].value) is not None]
    if min(ours_values + base_values) <= 0:
        return blank.model_copy(update={"definition": definition, "rounds": len(rounds), "reason": "a value is zero"})
    ratio = stats.paired_ratio(ours_values, base_values)
    centres = [stats.geometric_mean(values).centre for values in (ours_values, base_values)]
    return blank.model_copy(
        update={
            "definition": definition,
            "rounds": len(rounds),
            "difference": centres[0] - centres[1],
            "ratio": ratio.centre,
            "interval": _interval(ratio),
            "doubt": next(filter(None, (doubt(measured, c, metric, definition) for c in (base, cell))), None),
        }
    )


def doubt(measured: Measured, cell: Cell, metric: str, definition: str) -> str | None:
    """Why a rate from two trials decides nothing, or None: within one of them the runtime shows another rate.

    Load and prefill must take the same time in both trials. Where they don't, that is in the difference too, the more
    so the closer the budgets are; no interval tells it, for it can be the same in every round."""
    if definition != RATE:
        return None
    ours = measured.values(cell, metric, definition)
    for other in WITHIN_A_TRIAL:
        theirs = measured.values(cell, metric, other)
        pairs = [(a, b) for k in sorted(ours.keys() & theirs.keys()) if (a := ours[k].value) and (b := theirs[k].value)]
        if len(pairs) < max(2, len(ours) / 2):
            continue
        apart = stats.paired_ratio(*zip(*pairs, strict=True)).centre
        if 1 - MOST_APART <= apart <= 1 / (1 - MOST_APART):
            return None
        one, two = (stats.geometric_mean(values).centre for values in zip(*pairs, strict=True))
        unit = METRICS[metric].unit
        return (
            f"{cell[2]} shows {format_value(two, unit)} by {other} where two budgets give {format_value(one, unit)}: "
            "prefill varied too much for the budgets; set them further apart, or measure on a quieter machine"
        )
    return None


def _clash(measured: Measured, metric: str, base: Cell, cell: Cell, rounds: Sequence[int]) -> str | None:
    """The first reason, in any round, why the two sides did not run the same."""
    sides = [{trial.round: trial.ledger for trial in measured.trials(c)} for c in (base, cell)]
    for number in rounds:
        one, other = sides[0][number], sides[1][number]
        if one is None or other is None:
            return "nothing is known of what a side ran"
        reason = conflict(metric, one, other)
        if reason is not None:
            return reason
    return None
