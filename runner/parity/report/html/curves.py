"""Values along a sequence of tokens: the gaps between them, and how far two sides' probabilities lie apart."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from parity.report.html.rounds import Limit
from parity.report.html.svg import (
    SHAPES,
    Scale,
    beside_lines,
    curve,
    line,
    mark,
    plot,
    scale_of,
    share,
    text,
    x_axis,
    y_axis,
)

_HEIGHT = 180
_MOST_POINTS = 400
_NEAR_END = 0.6
"""From this share of the width on, words stand left of what they name."""
_MARKS = 6
"""Of a curve that carry its shape, so that it is known without its colour."""


@dataclass(frozen=True)
class Curve:
    """`points`: number along the sequence → value. `series`: its shape and its colour."""

    title: str
    points: tuple[tuple[int, float], ...]
    series: int


def curve_plot(
    key: str,
    title: str,
    description: str,
    curves: Sequence[Curve],
    *,
    unit: str,
    along: str,
    limits: Sequence[Limit] = (),
    borders: Sequence[tuple[float, str]] = (),
    least: float = 0.0,
) -> Markup:
    """Curves over the same numbers. `along`: what is counted; `borders`: numbers at which a new part begins, with their
    words. A value below `least` is drawn at it, as zero is on a scale of logarithms."""
    thinned = [thin(one.points) for one in curves]
    values = [max(value, least) for points in thinned for _, value in points]
    down = scale_of([*values, *(limit.value for limit in limits)])
    across = scale_of([number for points in thinned for number, _ in points], logarithmic=False)
    parts = [x_axis(across, _HEIGHT), y_axis(down, _HEIGHT, unit)]
    parts.append(text(along, x="50%", y=_HEIGHT + 30, class_="tick middle"))
    for number, words in borders:
        x = across.at(number)
        end = x > _NEAR_END
        parts.append(line(x, 0, x, _HEIGHT, "border"))
        parts.append(text(words, x=share(x), y=-5, dx=3 if end else -3, class_=f"tick{' end' if end else ''}"))
    heights = [down.y(limit.value, _HEIGHT) for limit in limits]
    parts += [line(0, y, 1, y, "limit") for y in heights]
    for one, points in zip(curves, thinned, strict=True):
        parts += _drawn(one, [(number, max(value, least)) for number, value in points], across, down)
    # Words come last, so that no line runs through them.
    for limit, place in zip(limits, beside_lines(heights), strict=True):
        parts.append(text(limit.text, x="100%", y=place, class_="limit-text end"))
    return plot(key, title, description, _HEIGHT + 34, parts)


def thin(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """At most so many points as can be told apart: of each stretch of a longer sequence, the largest value."""
    size = math.ceil(len(points) / _MOST_POINTS)
    if size <= 1:
        return list(points)
    return [max(points[k : k + size], key=lambda point: point[1]) for k in range(0, len(points), size)]


def _drawn(one: Curve, points: Sequence[tuple[int, float]], across: Scale, down: Scale) -> Iterator[Markup]:
    series = one.series % SHAPES
    if len(points) > 1:
        places = [(across.at(number), down.y(value, _HEIGHT)) for number, value in points]
        yield curve(places, _HEIGHT, f"curve c{series}")
    # Curves carry their marks at different places, so that marks of curves that lie on each other are all seen.
    step = max(1, len(points) // _MARKS)
    for number, value in points[(step * series // SHAPES) % step :: step]:
        yield mark(series, across.at(number), down.y(value, _HEIGHT), f"{one.title}, {number}: {value:.3g}")
