"""The ratio scale: rates, times and bytes, which are positive and vary by factors."""

from collections.abc import Sequence

from parity import stats
from parity.stats import ALPHA, Looks

NOT_POSITIVE = "a value is zero or negative, so that there is no ratio"


def centre(
    values: Sequence[float], looks: Looks, alpha: float = ALPHA, widen: float = 0.0, *, spans: bool = False
) -> stats.Estimate | str:
    """The geometric mean; none where a value isn't positive. `spans`: each value was computed from a difference of
    times, whose mean has no bias, so that the centre is the rate over all of these spans."""
    if min(values) <= 0:
        return NOT_POSITIVE
    if spans:
        return stats.ratio_of_spans(values, [1.0] * len(values), looks, alpha, widen)
    return stats.geometric_mean(values, looks, alpha, widen)
