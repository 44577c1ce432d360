"""The agreement scale: outputs, which are equal or not."""

from collections.abc import Sequence

from parity import stats
from parity.stats import ALPHA, Looks


def centre(
    values: Sequence[float], looks: Looks, alpha: float = ALPHA, widen: float = 0.0, *, spans: bool = False
) -> stats.Estimate | str:
    """The value that all rounds have in common; none where they differ."""
    return stats.Estimate(values[0], None, None) if len(set(values)) == 1 else "the rounds differ"


def share(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The share of the rounds in which both sides have the same value."""
    equal = [one == other for one, other in zip(ours, theirs, strict=True)]
    return sum(equal) / len(equal)
