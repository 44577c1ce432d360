"""The difference scale: counts and cores, where zero is a value like any other."""

from collections.abc import Sequence

from parity import stats
from parity.stats import ALPHA, Looks


def centre(
    values: Sequence[float], looks: Looks, alpha: float = ALPHA, widen: float = 0.0, *, spans: bool = False
) -> stats.Estimate | str:
    """The arithmetic mean."""
    return stats.arithmetic_mean(values, looks, alpha, widen)
