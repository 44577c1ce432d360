"""Each scale with its functions, and what they return."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from parity import stats
from parity.compare import agreement, difference, ratio
from parity.compare.compared import Compared
from parity.reading.metrics.spec import Scale


@dataclass(frozen=True)
class _Functions:
    centre: Callable[[Sequence[float]], stats.Estimate | str]
    compare: Callable[[Sequence[float], Sequence[float]], Compared]


_SCALES: dict[Scale, _Functions] = {
    "ratio": _Functions(ratio.centre, ratio.compare),
    "difference": _Functions(difference.centre, difference.compare),
    "agreement": _Functions(agreement.centre, agreement.compare),
}


def centre_of(scale: Scale, values: Sequence[float]) -> stats.Estimate | str:
    """The centre of one side's values over the rounds, or why there is none. Needs at least one value."""
    return _SCALES[scale].centre(values)


def compare_on(scale: Scale, ours: Sequence[float], theirs: Sequence[float]) -> Compared:
    """An implementation's values compared with the baseline's of the same rounds, in the same order."""
    return _SCALES[scale].compare(ours, theirs)
