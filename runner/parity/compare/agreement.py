"""The agreement scale: outputs, which are equal or not."""

from collections.abc import Sequence

from parity import stats
from parity.compare.compared import Compared


def centre(values: Sequence[float]) -> stats.Estimate | str:
    """The value that all rounds have in common; none where they differ."""
    return stats.Estimate(values[0], None, None) if len(set(values)) == 1 else "the rounds differ"


def compare(ours: Sequence[float], theirs: Sequence[float]) -> Compared:
    """The share of the rounds in which both sides have the same value."""
    equal = [one == other for one, other in zip(ours, theirs, strict=True)]
    return Compared(agreement=sum(equal) / len(equal))
