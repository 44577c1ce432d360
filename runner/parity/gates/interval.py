"""How an interval over the rounds is judged against bounds, and how the verdict says it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from parity import stats
from parity.compare import Doubt, interval_of
from parity.compare.advice import ABOVE_THE_FLOOR, FURTHER_APART, FURTHER_FROM_IT, set_rounds, to_meet
from parity.gates.base import Judgement
from parity.gates.evidence import Evidence
from parity.reading.metrics.two_budgets import OF_TWO_TRIALS
from parity.stats import EstimateAt
from parity.units import format_value, plural


@dataclass(frozen=True)
class Bounds:
    """What a gate requires. `unit`: of the bounds; `×` for a ratio."""

    low: float | None
    high: float | None
    unit: str

    def __str__(self) -> str:
        """`at least 1 and at most 2`."""
        parts = [
            f"at least {_bound(self.low, self.unit)}" if self.low is not None else "",
            f"at most {_bound(self.high, self.unit)}" if self.high is not None else "",
        ]
        return " and ".join(part for part in parts if part)


def judge_interval(
    at: EstimateAt,
    rounds: int,
    bounds: Bounds,
    evidence: Evidence,
    describe: Callable[[float], str],
    *,
    required: bool,
    logarithms: bool = True,
) -> Judgement:
    """The verdict after the first look that decides; INCONCLUSIVE where none does.

    `describe`: the start of the sentence, from the centre. `required`: the gate is one of those that decide the exit
    code. `logarithms`: the estimate is a geometric mean."""
    looks, low, high = evidence.looks, bounds.low, bounds.high
    # An interval is wrong on one side in α ÷ 2.
    fail_alpha = min(stats.ALPHA, 2 * evidence.fail_tail) if required else stats.ALPHA
    found = stats.decide(at, rounds, looks, low, high, fail_alpha)
    estimate = found.estimate
    interval = interval_of(estimate, found.alpha)
    said = f"{describe(estimate.centre)}{_ends(found, bounds.unit)}, required: {bounds}"
    if found.verdict is None:
        needed = _rounds_needed(found, bounds, looks, fail_alpha, logarithms=logarithms)
        return Judgement(
            "INCONCLUSIVE",
            said,
            estimate.centre,
            interval,
            open=not looks.fixed,
            rounds=rounds,
            advice=_what_would_decide(found, needed, looks),
            bounds=str(bounds),
            more_rounds=None if needed is None else needed - found.rounds,
        )
    if found.rounds < rounds:
        said += f"; decided after {found.rounds} of {rounds} rounds"
    if found.contradicted is not None:
        other = "FAIL" if found.verdict == "PASS" else "PASS"
        said += f"; the rounds conflict: judged after {found.contradicted}, it would be {other}"
    advice = to_meet(estimate.centre, low, high) if found.verdict == "FAIL" else ""
    return Judgement(
        found.verdict, said, estimate.centre, interval, rounds=found.rounds, advice=advice, bounds=str(bounds)
    )


def judge_figures(
    at: EstimateAt, judged_by: Callable[[EstimateAt], Judgement], definition: str, doubt: Doubt | None
) -> Judgement:
    """The verdict that `judged_by` gives on figures by a definition, with what a doubt about them leaves of it."""
    judgement = judged_by(at)
    if doubt is not None:
        judgement = _unless_doubted(judgement, judged_by, at, doubt)
    return _with_advice_on_budgets(judgement, definition)


def _unless_doubted(
    judgement: Judgement, judged_by: Callable[[EstimateAt], Judgement], at: EstimateAt, doubt: Doubt
) -> Judgement:
    """A verdict on figures that are in doubt: it stays where what single trials show leads to the same one."""

    def by_single_trials(rounds: int, alpha: float) -> stats.Estimate:
        found, factor = at(rounds, alpha), doubt.factor
        low, high = (None if end is None else end * factor for end in (found.low, found.high))
        return stats.Estimate(found.centre * factor, low, high, found.spread, found.widened)

    if judgement.verdict == judged_by(by_single_trials).verdict != "INCONCLUSIVE":
        return judgement
    return replace(
        judgement, verdict="INCONCLUSIVE", finding=doubt.sentence, advice=doubt.advice, rounds=None, bounds=None
    )


def _with_advice_on_budgets(judgement: Judgement, definition: str) -> Judgement:
    """What else would decide a verdict on a rate that is a difference of two trials."""
    if judgement.verdict != "INCONCLUSIVE" or definition not in OF_TWO_TRIALS or FURTHER_APART in judgement.advice:
        return judgement
    return replace(judgement, advice=f"{judgement.advice}; or {FURTHER_APART}")


def _rounds_needed(
    found: stats.Decision, bounds: Bounds, looks: stats.Looks, fail_alpha: float, *, logarithms: bool
) -> int | None:
    """After how many rounds it is decided if the spread stays as it is; None where too few tell, or where none are
    enough."""
    if found.rounds < stats.LEAST:
        return None
    alpha = fail_alpha if _is_out(found.estimate.centre, bounds) else stats.ALPHA
    return stats.rounds_needed(
        found.estimate, found.rounds, looks, bounds.low, bounds.high, alpha, logarithms=logarithms
    )


def _what_would_decide(found: stats.Decision, needed: int | None, looks: stats.Looks) -> str:
    rounds, estimate = found.rounds, found.estimate
    if rounds < stats.LEAST:
        give = "gives" if rounds == 1 else "give"
        few = f"{plural(rounds, 'round')} {give} no verdict, at least {stats.LEAST} are needed"
        return f"{few}: {set_rounds(looks, stats.LEAST)}" if looks.last < stats.LEAST else few
    if needed is None and estimate.widened > 0:
        said = "the noise floor or the rounding of printed figures leaves the value too uncertain"
        return f"{said} so close to the bound, and more rounds would not decide this: {ABOVE_THE_FLOOR}"
    if needed is None:
        return f"the value is so close to the bound that more rounds would not decide this: {FURTHER_FROM_IT}"
    more = f"about {plural(needed - rounds, 'more round')} would decide this"
    spare = "" if not looks.fixed and needed <= looks.last else f": {set_rounds(looks, needed)}"
    return f"{more} at the present spread{spare}"


def _is_out(value: float, bounds: Bounds) -> bool:
    return (bounds.low is not None and value < bounds.low) or (bounds.high is not None and value > bounds.high)


def _ends(found: stats.Decision, unit: str) -> str:
    low, high = found.estimate.low, found.estimate.high
    if low is None or high is None:
        return ""
    level = "" if found.alpha == stats.ALPHA else f" at {100 * (1 - found.alpha):.4g}% confidence"
    return f" [{_show(low, unit)}, {_show(high, unit)}]{level}"


def _bound(value: float, unit: str) -> str:
    return f"{value:g}×" if unit == "×" else format_value(value, unit)


def _show(value: float, unit: str) -> str:
    return f"{value:.3g}" if unit == "×" else format_value(value, unit)
