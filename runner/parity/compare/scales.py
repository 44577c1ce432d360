"""The centre of one side's values on each scale."""

from collections.abc import Callable, Sequence

from parity import stats
from parity.compare import agreement, difference, ratio
from parity.reading.metrics.spec import Scale
from parity.stats import ALPHA, ONCE, Looks

_CENTRES: dict[Scale, Callable[..., stats.Estimate | str]] = {
    "ratio": ratio.centre,
    "difference": difference.centre,
    "agreement": agreement.centre,
}


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
    computed from a difference of times."""
    return _CENTRES[scale](values, looks, alpha, widen, spans=spans)
