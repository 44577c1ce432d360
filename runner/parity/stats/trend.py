"""What a series of rounds owes to a slow drift: none, a line, or a line and one oscillation. Pure."""

import math
from collections.abc import Sequence

Basis = list[list[float]]
"""Orthonormal columns, each with one value a round."""

LINE_FROM = 8
OSCILLATION_FROM = 10
"""With fewer rounds, too few would be left to tell the spread."""

COST_OF_OSCILLATION = 5
"""Constant, line, sine, cosine, and the frequency itself."""


def fit_trend(times: Sequence[float], values: Sequence[float]) -> tuple[int, float | None]:
    """The trend that a series shows by the Bayesian information criterion (Schwarz 1978): the degree of its polynomial,
    0 or 1, and the frequency of an oscillation in cycles a round, or None.

    `times`: in rounds. Frequencies are tried from half a cycle over all rounds up to one cycle in three."""
    count = len(values)
    options: list[tuple[float, int, float | None]] = [(_bic(times, values, 0, None, 1), 0, None)]
    if count >= LINE_FROM:
        options.append((_bic(times, values, 1, None, 2), 1, None))
    if count >= OSCILLATION_FROM:
        steps = range(2, 4 * count // 3 + 1)
        options += [(_bic(times, values, 1, k / 4 / count, COST_OF_OSCILLATION), 1, k / 4 / count) for k in steps]
    _, degree, frequency = min(options, key=lambda option: option[0])
    return degree, frequency


def basis_of(times: Sequence[float], degree: int, frequency: float | None) -> Basis:
    """The columns of a trend, made orthonormal (Gram and Schmidt, twice)."""
    middle = math.fsum(times) / len(times)
    places = [time - middle for time in times]
    columns = [[1.0] * len(times)]
    if degree:
        columns.append(places)
    if frequency is not None:
        columns.append([math.sin(2 * math.pi * frequency * place) for place in places])
        columns.append([math.cos(2 * math.pi * frequency * place) for place in places])
    basis: Basis = []
    for column in columns:
        left = without(basis, without(basis, column))
        length = math.sqrt(math.fsum(x * x for x in left))
        basis.append([x / length for x in left])
    return basis


def without(basis: Basis, values: Sequence[float]) -> list[float]:
    """What is left of a series once its trend is taken off."""
    left = list(values)
    for column in basis:
        share = sum(x * y for x, y in zip(column, values, strict=True))
        left = [x - share * y for x, y in zip(left, column, strict=True)]
    return left


def _bic(times: Sequence[float], values: Sequence[float], degree: int, frequency: float | None, cost: int) -> float:
    left = without(basis_of(times, degree, frequency), values)
    squares = max(sum(x * x for x in left), 1e-30)
    return len(values) * math.log(squares / len(values)) + cost * math.log(len(values))
