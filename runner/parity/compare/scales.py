"""The centre of one side's values on each scale, and the share of two sides' values that agree."""

from collections.abc import Sequence

from parity import stats
from parity.reading.metrics.spec import Scale
from parity.stats import ALPHA, ONCE, Looks

NOT_POSITIVE = "a value is zero or negative, so that there is no ratio"


def centre_of(
    scale: Scale,
    values: Sequence[float],
    looks: Looks = ONCE,
    alpha: float = ALPHA,
    widen: float = 0.0,
    *,
    spans: bool = False,
) -> stats.Estimate | str:
    """The centre of one side's values over the rounds, or why there is none. Needs at least one value.

    `widen`: what is added to each end of the interval, as a logarithm on the ratio scale. `spans`: each value is a rate
    computed from a difference of times, whose mean has no bias, so that the centre is the rate over all of them."""
    if scale == "agreement":
        return stats.Estimate(values[0], None, None) if len(set(values)) == 1 else "the rounds differ"
    if scale == "difference":
        return stats.arithmetic_mean(values, looks, alpha, widen)
    if min(values) <= 0:
        return NOT_POSITIVE
    if spans:
        return stats.ratio_of_spans(values, [1.0] * len(values), looks, alpha, widen)
    return stats.geometric_mean(values, looks, alpha, widen)


def share_of_equal(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The share of the rounds in which both sides have the same value."""
    equal = [one == other for one, other in zip(ours, theirs, strict=True)]
    return sum(equal) / len(equal)
