"""The maths: centres, ratios and their intervals. Pure functions of numbers; the one module that knows statistics.

Rates and times are positive and vary by factors, so they are averaged as logarithms: the centre is the geometric mean,
and the ratio of two centres is the centre of the per-round ratios. Counts are averaged as they are.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
LARGEST_LOG = 700.0


@dataclass(frozen=True)
class Estimate:
    """A centre with its interval; `low` and `high` are None where one value gives none."""

    centre: float
    low: float | None
    high: float | None


def geometric_mean(values: Sequence[float]) -> Estimate:
    """Geometric mean of positive values with Student's t interval of the mean of logarithms.

    Raises:
        ValueError: no values, or one that isn't positive.
    """
    if not values or min(values) <= 0:
        raise ValueError("needs at least one value, all positive")
    logs = [math.log(value) for value in values]
    mean = math.fsum(logs) / len(logs)
    if len(logs) == 1:
        return Estimate(_exp(mean), None, None)
    half = _t(len(logs) - 1) * _deviation(logs, mean) / math.sqrt(len(logs))
    return Estimate(_exp(mean), _exp(mean - half), _exp(mean + half))


def paired_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Estimate:
    """Geometric mean of the ratios of values that belong together (same round), with its t interval.

    Pairing lets drift of the machine cancel. Raises ValueError as `geometric_mean`, or on unequal lengths."""
    return geometric_mean([n / d for n, d in zip(numerators, denominators, strict=True)])


def arithmetic_mean(values: Sequence[float]) -> Estimate:
    """Arithmetic mean of values of any sign with Student's t interval.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("needs at least one value")
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return Estimate(mean, None, None)
    half = _t(len(values) - 1) * _deviation(values, mean) / math.sqrt(len(values))
    return Estimate(mean, mean - half, mean + half)


def paired_difference(minuends: Sequence[float], subtrahends: Sequence[float]) -> Estimate:
    """Mean of the differences of values that belong together (same round), with its t interval.

    Raises ValueError as `arithmetic_mean`, or on unequal lengths."""
    return arithmetic_mean([m - s for m, s in zip(minuends, subtrahends, strict=True)])


def coefficient_of_variation(values: Sequence[float]) -> Estimate:
    """Standard deviation ÷ mean, with the chi-square interval of the standard deviation of a normal sample.

    Raises:
        ValueError: no values, or one that isn't positive.
    """
    if not values or min(values) <= 0:
        raise ValueError("needs at least one value, all positive")
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return Estimate(0.0, None, None)
    cv = _deviation(values, mean) / mean
    low, high = _chi_square(len(values) - 1)
    degrees = len(values) - 1
    return Estimate(cv, cv * math.sqrt(degrees / high), cv * math.sqrt(degrees / low))


def quantile(values: Sequence[float], q: float) -> float:
    """The q-quantile by linear interpolation between order statistics (Hyndman and Fan's type 7)."""
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _exp(log: float) -> float:
    """Values hundreds of orders of magnitude apart have an interval that no float can hold: its ends are cut."""
    return math.exp(max(-LARGEST_LOG, min(LARGEST_LOG, log)))


def _deviation(values: Sequence[float], mean: float) -> float:
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _t(degrees: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + CONFIDENCE) / 2))


def _chi_square(degrees: int) -> tuple[float, float]:
    from scipy.special import chdtri

    tail = (1 - CONFIDENCE) / 2
    return float(chdtri(degrees, 1 - tail)), float(chdtri(degrees, tail))
