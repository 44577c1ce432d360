"""Rounds that stand out, and values that fall into two groups. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

ONE_IN = 10
"""At most one round in so many is set aside."""

ESD_ALPHA = 0.01


def outliers(values: Sequence[float]) -> tuple[int, ...]:
    """The places of outliers by the generalised extreme Studentised deviate test (Rosner 1983), at most one in ten."""
    from scipy.special import stdtrit

    left = list(range(len(values)))
    order: list[int] = []
    found = 0
    for step in range(1, len(values) // ONE_IN + 1):
        count = len(left)
        mean = math.fsum(values[k] for k in left) / count
        deviation = math.sqrt(math.fsum((values[k] - mean) ** 2 for k in left) / (count - 1))
        if count < 4 or deviation <= 0:
            break
        worst = max(left, key=lambda k: abs(values[k] - mean))
        t = float(stdtrit(count - 2, 1 - ESD_ALPHA / (2 * count)))
        limit = (count - 1) * t / math.sqrt((count - 2 + t * t) * count)
        left.remove(worst)
        order.append(worst)
        if abs(values[worst] - mean) / deviation > limit:
            found = step
    return tuple(sorted(order[:found]))


@dataclass(frozen=True)
class Modes:
    """Two groups of logarithms: how many values lie in each, and the distance of their means."""

    fewer: int
    more: int
    apart: float


CLEAR = 6.0
"""Distance of two modes in standard deviations within them (Ashman's D, where 2 is the least that can be seen): in one
group of 10 to 20 normal values, the best split reaches it in fewer than 1 of 100."""

LEAST_SHARE = 0.2


def two_modes(values: Sequence[float]) -> Modes | None:
    """The two groups into which the values clearly fall, each with at least a fifth of them; None where they don't."""
    ordered = sorted(values)
    least = max(2, math.ceil(LEAST_SHARE * len(ordered)))
    best: tuple[float, int] | None = None
    for cut in range(least, len(ordered) - least + 1):
        squares = _squares(ordered[:cut]) + _squares(ordered[cut:])
        if best is None or squares < best[0]:
            best = (squares, cut)
    if best is None or len(ordered) < 8:
        return None
    within = math.sqrt(best[0] / (len(ordered) - 2))
    low, high = ordered[: best[1]], ordered[best[1] :]
    apart = math.fsum(high) / len(high) - math.fsum(low) / len(low)
    if apart <= CLEAR * within or apart < 1e-9:
        return None
    return Modes(min(len(low), len(high)), max(len(low), len(high)), apart)


def _squares(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values)
