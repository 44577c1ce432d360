"""The values of both sides, round by round, each with the lines that it was read from. Pure."""

from collections.abc import Callable

from parity.explain.records import Reading, Round
from parity.explain.steps import sources_of, worked_out
from parity.explain.tracing import Traced
from parity.reading.dictionary import METRICS
from parity.reading.metrics.generation import GEN_TPS
from parity.reading.metrics.two_budgets import PROMPT, RATE, SPANS, common
from parity.records import Measurement, Trial
from parity.report.index import CellResults
from parity.units import format_value


def rounds_of(
    found: CellResults,
    base: CellResults | None,
    metric: str,
    definition: str,
    trace: Callable[[Trial], Traced],
) -> tuple[Round, ...]:
    """Every measured round of a cell, those that no figure is from included."""
    sides = [{t.round: t for t in side.trials if t.kind == "full" and not t.warmup} for side in (found, base) if side]
    numbers = sorted({number for side in sides for number in side})
    return tuple(_round(number, found, base, metric, definition, trace) for number in numbers)


def _round(
    number: int,
    found: CellResults,
    base: CellResults | None,
    metric: str,
    definition: str,
    trace: Callable[[Trial], Traced],
) -> Round:
    ours = _reading(found, number, metric, definition, trace)
    theirs = None if base is None else _reading(base, number, metric, definition, trace)
    one, other = _compared(found, number, metric) or (ours.value, None if theirs is None else theirs.value)
    ratio = difference = None
    if one is not None and other is not None:
        difference = one - other
        ratio = one / other if METRICS[metric].scale == "ratio" and min(one, other) > 0 else None
    return Round(
        round=number,
        value=ours,
        baseline=theirs,
        ratio=ratio,
        difference=difference,
        left_out=_left_out(found, ours, base, theirs),
    )


def _compared(found: CellResults, number: int, metric: str) -> tuple[float, float] | None:
    """Both values of a round as they were compared: rates may be over the tokens alone that both sides have."""
    comparison = found.comparisons.get(metric)
    if comparison is None or number not in comparison.numbers:
        return None
    place = comparison.numbers.index(number)
    return comparison.ours[place], comparison.theirs[place]


def _left_out(found: CellResults, ours: Reading, base: CellResults | None, theirs: Reading | None) -> str | None:
    reasons = [(found.name, ours.reason)]
    if base is not None and theirs is not None:
        reasons.append((base.name, theirs.reason))
    return "; ".join(f"{name}: {reason}" for name, reason in reasons if reason is not None) or None


def _reading(side: CellResults, number: int, metric: str, definition: str, trace: Callable[[Trial], Traced]) -> Reading:
    trials = [t for t in side.trials if t.round == number and not t.warmup and t.kind in ("full", "short")]
    full = next((t for t in trials if t.kind == "full"), None)
    if full is None:
        return Reading(reason="no trial ran")
    if full.failure is not None:
        return Reading(reason=f"its trial failed ({full.failure.kind}: {full.failure.message})", files=(full.file,))
    read = [t for t in trials if t is full or definition in (RATE, PROMPT)]
    files = tuple(t.file for t in read)
    measured = _measurement(full, metric, definition)
    if measured is None or measured.value is None:
        return Reading(reason=measured.reason if measured else f"it was not measured by {definition}", files=files)
    sources = tuple(source for t in read for source in sources_of(trace(t), metric, definition))
    short = next((t for t in read if t.kind == "short"), None)
    if short is not None:
        worked = _of_two_budgets(short, full, metric, measured.value)
    else:
        worked = worked_out(metric, definition, sources, measured.value)
    return Reading(value=measured.value, worked=worked, files=files, sources=sources)


def _of_two_budgets(short: Trial, full: Trial, metric: str, value: float) -> str | None:
    """The rate of two trials with their numbers."""
    counts, spans = common(short, full, ("generated_tokens",)), common(short, full, SPANS)
    if counts is None or spans is None:
        return None
    (count, n1, n2), (span, t1, t2) = counts, spans
    how = f"N by {count.definition}, T by {span.metric} {span.definition}"
    rate = f"(N₂ − N₁) ÷ (T₂ − T₁) = ({n2:.0f} − {n1:.0f}) ÷ ({t2:.6f} − {t1:.6f} s)"
    if metric == GEN_TPS.name:
        return f"{rate} = {format_value(value, GEN_TPS.unit)}; {how}"
    return f"P ÷ (T₁ − (N₁ − 1) ÷ gen_tps) = {format_value(value, METRICS[metric].unit)}, gen_tps = {rate}; {how}"


def _measurement(trial: Trial, metric: str, definition: str) -> Measurement | None:
    return next((m for m in trial.measurements if (m.metric, m.definition) == (metric, definition)), None)
