"""The difference scale: counts and cores, where zero is a value like any other."""

from collections.abc import Sequence

from parity import stats
from parity.compare.compared import Compared, interval_of


def centre(values: Sequence[float]) -> stats.Estimate | str:
    """The arithmetic mean."""
    return stats.arithmetic_mean(values)


def compare(ours: Sequence[float], theirs: Sequence[float]) -> Compared:
    """The arithmetic mean of the differences of the rounds."""
    difference = stats.paired_difference(ours, theirs)
    return Compared(difference=difference.centre, interval=interval_of(difference))
