"""The ratio of an implementation to the baseline in every round, with its interval and what gates require."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from parity.report.html.svg import Scale, beside_lines, element, line, mark, plot, scale_of, share, text, y_axis
from parity.units import bare_ratio, format_ratio

_HEIGHT = 170
_MOST_NUMBERS = 12
"""Rounds that have a number below them; of more, every second or third has one."""


@dataclass(frozen=True)
class Limit:
    """A value that a gate requires at least or at most. `text` says so."""

    value: float
    text: str


@dataclass(frozen=True)
class Ratios:
    """`rounds`: number of each round and its ratio. `interval`: of the centre, which decided the verdict."""

    rounds: tuple[tuple[int, float], ...]
    centre: float | None
    interval: tuple[float, float] | None
    limits: tuple[Limit, ...] = ()
    series: int = 1
    """The shape and the colour of the points."""


def ratio_plot(key: str, title: str, ratios: Ratios) -> Markup:
    """A point for each round on a scale of logarithms, which shows 0.5× and 2× as equally far from 1×."""
    values = [1.0, *(ratio for _, ratio in ratios.rounds), *(limit.value for limit in ratios.limits)]
    values += [*(ratios.interval or ()), *([ratios.centre] if ratios.centre else [])]
    scale = scale_of([value for value in values if value > 0], logarithmic=True)
    parts = [
        *([_band(scale, ratios.interval)] if ratios.interval else []),
        y_axis(scale, _HEIGHT, "×"),
        _level(scale, 1.0, "equal"),
        *_limits(scale, ratios.limits),
        *([_level(scale, ratios.centre, "centre")] if ratios.centre else []),
        *_points(scale, ratios),
    ]
    return plot(key, title, _said(ratios), _HEIGHT + 34, parts)


def _level(scale: Scale, ratio: float, kind: str) -> Markup:
    y = scale.y(ratio, _HEIGHT)
    return line(0, y, 1, y, kind)


def _points(scale: Scale, ratios: Ratios) -> Iterator[Markup]:
    rounds = ratios.rounds
    step = 1 + (len(rounds) - 1) // _MOST_NUMBERS
    for place, (number, ratio) in enumerate(rounds):
        x = (place + 0.5) / len(rounds)
        yield mark(ratios.series, x, scale.y(ratio, _HEIGHT), f"round {number}: {bare_ratio(ratio)}")
        if place % step == 0:
            yield text(str(number), x=share(x), y=_HEIGHT + 15, class_="tick middle")
    yield text("round", x="50%", y=_HEIGHT + 30, class_="tick middle")


def _band(scale: Scale, interval: tuple[float, float]) -> Markup:
    low, high = (scale.y(end, _HEIGHT) for end in interval)
    return element("rect", x=0, y=high, width="100%", height=max(low - high, 1.0), class_="band")


def _limits(scale: Scale, limits: Sequence[Limit]) -> Iterator[Markup]:
    heights = [scale.y(limit.value, _HEIGHT) for limit in limits]
    # Words come last, so that no line runs through them.
    yield from (line(0, y, 1, y, "limit") for y in heights)
    for limit, place in zip(limits, beside_lines(heights), strict=True):
        yield text(limit.text, x=4, y=place, class_="limit-text")


def _said(ratios: Ratios) -> str:
    found = [ratio for _, ratio in ratios.rounds]
    said = [f"{len(found)} rounds, from {min(found):.3g}× to {max(found):.3g}×."]
    if ratios.centre is not None:
        said.append(f"In all {format_ratio(ratios.centre, ratios.interval)}.")
    said += [f"{limit.text}." for limit in ratios.limits]
    return " ".join(said)
