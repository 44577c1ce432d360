"""The verdict of an interval over the rounds of a run: at each look PASS, FAIL or neither; the first one stays."""

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from parity.stats.estimates import Estimate
from parity.stats.looks import ALPHA, Looks

EstimateAt = Callable[[int, float], Estimate]
"""The estimate of the first so many rounds, with an interval of 1 − α."""

MOST_NEEDED = 1000


@dataclass(frozen=True)
class Decision:
    """`verdict` None: undecided. `estimate`: the one that decided, or that of all rounds. `rounds`: how many it is of.
    `alpha`: of its interval. `contradicted`: a later number of rounds at which the opposite verdict would follow."""

    verdict: Literal["PASS", "FAIL"] | None
    estimate: Estimate
    rounds: int
    alpha: float = ALPHA
    contradicted: int | None = None


def decide(
    at: EstimateAt, rounds: int, looks: Looks, low: float | None, high: float | None, fail_alpha: float = ALPHA
) -> Decision:
    """PASS at the first look at which the whole interval lies within the bounds, FAIL at the first at which it lies
    wholly outside one of them. Later looks never change that; the first that contradicts it is named.

    `fail_alpha`: of the interval that says FAIL, no larger than `ALPHA`. `rounds`: at least 1."""
    first: Decision | None = None
    for number in looks.among(rounds):
        found = _look(at, number, low, high, fail_alpha)
        if first is None:
            first = found
        elif found is not None and found.verdict != first.verdict:
            return Decision(first.verdict, first.estimate, first.rounds, first.alpha, contradicted=number)
    return first or Decision(None, at(rounds, ALPHA), rounds)


def rounds_needed(
    estimate: Estimate,
    rounds: int,
    looks: Looks,
    low: float | None,
    high: float | None,
    alpha: float = ALPHA,
    *,
    logarithms: bool = True,
) -> int | None:
    """After how many rounds the verdict would follow, if centre and spread stay as they are; None where they never
    would, because the centre is a bound or no farther from it than what no number of rounds takes away, or only after
    more than `MOST_NEEDED`.

    `logarithms`: the spread is of logarithms, as of a geometric mean."""
    scale = math.log if logarithms else float
    centre = scale(estimate.centre)
    gaps = [abs(centre - scale(bound)) for bound in (low, high) if bound is not None]
    gap = min(gaps, default=0.0)

    def enough(number: int) -> bool:
        margin = looks.margin(number)
        few = math.log(margin) if logarithms else abs(centre) * (margin - 1)
        return looks.multiplier(number, alpha) * estimate.spread + few + estimate.widened < gap

    candidates = range(rounds + 1, MOST_NEEDED)
    place = bisect_left(candidates, True, key=enough)
    return candidates[place] if place < len(candidates) else None


def _look(at: EstimateAt, number: int, low: float | None, high: float | None, fail_alpha: float) -> Decision | None:
    estimate = at(number, ALPHA)
    if estimate.low is None or estimate.high is None:
        return None
    if (low is None or estimate.low >= low) and (high is None or estimate.high <= high):
        return Decision("PASS", estimate, number)
    if not _outside(estimate, low, high):
        return None
    if fail_alpha < ALPHA:
        estimate = at(number, fail_alpha)
    return Decision("FAIL", estimate, number, fail_alpha) if _outside(estimate, low, high) else None


def _outside(estimate: Estimate, low: float | None, high: float | None) -> bool:
    below = low is not None and estimate.high is not None and estimate.high < low
    return below or (high is not None and estimate.low is not None and estimate.low > high)
