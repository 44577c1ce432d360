"""Centres with their intervals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from parity.stats.looks import ALPHA, Looks

LARGEST_LOG = 700.0

ONCE = Looks(last=1, fixed=True)
"""For values that are looked at once: Student's interval."""


@dataclass(frozen=True)
class Estimate:
    """A centre with its interval; `low` and `high` are None where the values are too few. `spread`: the standard
    deviation of one round (divisor n), of logarithms where the centre is a geometric mean. `widened`: the part of each
    half of the interval that more rounds do not take away, likewise of logarithms."""

    centre: float
    low: float | None
    high: float | None
    spread: float = 0.0
    widened: float = 0.0


def geometric_mean(values: Sequence[float], looks: Looks = ONCE, alpha: float = ALPHA, widen: float = 0.0) -> Estimate:
    """Geometric mean of positive values, with the interval of the mean of logarithms.

    `widen`: added to each end, as a logarithm.

    Raises:
        ValueError: no values, or one that isn't positive.
    """
    if not values or min(values) <= 0:
        raise ValueError("needs at least one value, all positive")
    logs = [math.log(value) for value in values]
    mean = math.fsum(logs) / len(logs)
    deviation = _deviation(logs, mean)
    half = _half(len(logs), deviation, looks, alpha)
    if half is None:
        return Estimate(_exp(mean), None, None, deviation)
    half += widen + math.log(looks.margin(len(logs)))
    return Estimate(_exp(mean), _exp(mean - half), _exp(mean + half), deviation, widen)


def paired_ratio(
    numerators: Sequence[float],
    denominators: Sequence[float],
    looks: Looks = ONCE,
    alpha: float = ALPHA,
    widen: float = 0.0,
) -> Estimate:
    """Geometric mean of the ratios of values that belong together (same round), with its interval.

    Pairing lets drift of the machine cancel. Raises ValueError as `geometric_mean`, or on unequal lengths."""
    return geometric_mean([n / d for n, d in zip(numerators, denominators, strict=True)], looks, alpha, widen)


def ratio_of_spans(
    numerators: Sequence[float],
    denominators: Sequence[float],
    looks: Looks = ONCE,
    alpha: float = ALPHA,
    widen: float = 0.0,
) -> Estimate:
    """The ratio of two rates that were each computed from a difference of times, by the means of these differences.

    A difference of two times has a large spread, and its logarithm a bias that grows with the spread. So ρ is judged by
    the mean of d − ρ·n over the rounds, n and d the inverse rates (Fieller 1954): the interval holds each ρ for which
    that mean may be 0. Where it is not bounded there is none. Arguments and errors as of `paired_ratio`."""
    count = len(numerators)
    if count != len(denominators):
        raise ValueError("needs as many numerators as denominators")
    if not count or min(*numerators, *denominators) <= 0:
        raise ValueError("needs at least one value, all positive")
    ours, theirs = ([1 / value for value in side] for side in (numerators, denominators))
    n, d = math.fsum(ours) / count, math.fsum(theirs) / count
    spread_n, spread_d = _deviation(ours, n), _deviation(theirs, d)
    both = math.fsum((a - n) * (b - d) for a, b in zip(ours, theirs, strict=True)) / count
    centre = d / n
    relative = math.sqrt(max(0.0, (spread_d / d) ** 2 + (spread_n / n) ** 2 - 2 * both / (n * d)))
    q = looks.multiplier(count, alpha)
    a = n * n - q * q * spread_n**2 if math.isfinite(q) else -1.0
    if a <= 0:
        return Estimate(centre, None, None, relative)
    b, c = n * d - q * q * both, d * d - q * q * spread_d**2
    root = math.sqrt(max(0.0, b * b - a * c))
    factor = looks.margin(count) * math.exp(widen)
    low = (b - root) / a
    return Estimate(centre, max(low, math.exp(-LARGEST_LOG)) / factor, (b + root) / a * factor, relative, widen)


def arithmetic_mean(values: Sequence[float], looks: Looks = ONCE, alpha: float = ALPHA, widen: float = 0.0) -> Estimate:
    """Arithmetic mean of values of any sign, with its interval. `widen`: added to each end.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("needs at least one value")
    mean = math.fsum(values) / len(values)
    deviation = _deviation(values, mean)
    half = _half(len(values), deviation, looks, alpha)
    if half is None:
        return Estimate(mean, None, None, deviation)
    half += widen + abs(mean) * (looks.margin(len(values)) - 1)
    return Estimate(mean, mean - half, mean + half, deviation, widen)


def paired_difference(minuends: Sequence[float], subtrahends: Sequence[float], looks: Looks = ONCE) -> Estimate:
    """Mean of the differences of values that belong together (same round), with its interval.

    Raises ValueError as `arithmetic_mean`, or on unequal lengths."""
    return arithmetic_mean([m - s for m, s in zip(minuends, subtrahends, strict=True)], looks)


def quantile(values: Sequence[float], q: float) -> float:
    """The q-quantile by linear interpolation between order statistics (Hyndman and Fan's type 7)."""
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _half(count: int, deviation: float, looks: Looks, alpha: float) -> float | None:
    multiplier = looks.multiplier(count, alpha)
    return multiplier * deviation if math.isfinite(multiplier) else None


def _exp(log: float) -> float:
    """Values hundreds of orders of magnitude apart have an interval that no float can hold: its ends are cut."""
    return math.exp(max(-LARGEST_LOG, min(LARGEST_LOG, log)))


def _deviation(values: Sequence[float], mean: float) -> float:
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
