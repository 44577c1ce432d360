"""The ratio scale: rates, times and bytes, which are positive and vary by factors."""

from collections.abc import Sequence

from parity import stats
from parity.compare.compared import Compared, interval_of

NOT_POSITIVE = "a value is zero or negative, so that there is no ratio"


def centre(values: Sequence[float]) -> stats.Estimate | str:
    """The geometric mean; none where a value isn't positive."""
    return stats.geometric_mean(values) if min(values) > 0 else NOT_POSITIVE


def compare(ours: Sequence[float], theirs: Sequence[float]) -> Compared:
    """The geometric mean of the ratios of the rounds, and the difference of the two geometric means."""
    if min(*ours, *theirs) <= 0:
        return Compared(reason=NOT_POSITIVE)
    ratio = stats.paired_ratio(ours, theirs)
    difference = stats.geometric_mean(ours).centre - stats.geometric_mean(theirs).centre
    return Compared(difference=difference, ratio=ratio.centre, interval=interval_of(ratio))
