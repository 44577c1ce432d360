"""What the comparison of two sides' values gives, on any scale."""

from dataclasses import dataclass

from parity import stats
from parity.records import Interval


@dataclass(frozen=True)
class Compared:
    """`difference` in the metric's unit; `ratio` and `agreement` only on their scales; `interval` of the estimate that
    the scale is named after. `reason`: why there is no estimate."""

    difference: float | None = None
    ratio: float | None = None
    agreement: float | None = None
    interval: Interval | None = None
    reason: str | None = None


def interval_of(estimate: stats.Estimate) -> Interval | None:
    """The interval of an estimate; None where one round gives none."""
    if estimate.low is None or estimate.high is None:
        return None
    return Interval(low=estimate.low, high=estimate.high, confidence=stats.CONFIDENCE)
