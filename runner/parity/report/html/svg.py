"""What plots are drawn with: SVG elements as text, and scales from values to places. Pure.

Places along x are shares of the width, and all other lengths are pixels, so that a plot fills any width and its text
keeps its size. Colours are classes of the style sheet.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from parity.visible import printable

MOST_TICKS = 5
SHAPES = 6
"""Marks that the style sheet and the page's definitions know: circle, square, triangle, diamond, cross, bar."""

_LINE = 13
"""Pixels from one line of words to the next."""

_LOGARITHMIC = 8.0
"""From this ratio of the largest value to the smallest on, a scale of logarithms shows more."""


def element(name: str, *children: str, **attributes: object) -> Markup:
    """One element. Attributes: `class_` is `class`, `stroke_width` is `stroke-width`; None is left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(printable(_written(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(escape(child) for child in children)
    tag = f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>"
    return Markup(tag)  # noqa: S704 - values and children are escaped above


def text(words: str, **attributes: object) -> Markup:
    """Words at a place."""
    return element("text", printable(words), **attributes)


def plot(key: str, title: str, description: str, height: int, children: Iterable[str]) -> Markup:
    """A whole picture. `key`: tells its ids from those of others on the page."""
    return element(
        "svg",
        element("title", printable(title), id=f"{key}-title"),
        element("desc", printable(description), id=f"{key}-desc"),
        *children,
        role="img",
        aria_labelledby=f"{key}-title {key}-desc",
        width="100%",
        height=height,
    )


def mark(series: int, x: float, y: float, tip: str = "") -> Markup:
    """The point of a series at a share of the width, with what a pointer shows there."""
    shape = series % SHAPES
    tips = (element("title", printable(tip)),) if tip else ()
    return element("use", *tips, href=f"#shape-{shape}", x=share(x), y=y, class_=f"s{shape}")


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """From place to place; x as shares of the width."""
    return element("line", x1=share(x1), y1=y1, x2=share(x2), y2=y2, class_=class_)


def curve(points: Sequence[tuple[float, float]], height: float, class_: str) -> Markup:
    """A line through points (share of the width, pixel)."""
    places = " ".join(f"{_written(100 * x)},{_written(y)}" for x, y in points)
    return element(
        "svg",
        element("polyline", points=places, class_=class_),
        width="100%",
        height=height,
        viewBox=f"0 0 100 {_written(height)}",
        preserveAspectRatio="none",
    )


def share(value: float) -> str:
    """A share as CSS writes it: 0.125 is `12.5%`."""
    return f"{_written(100 * value)}%"


@dataclass(frozen=True)
class Scale:
    """From values to shares of a length, between 0 and 1."""

    low: float
    high: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """Where a value lies; one beyond the ends lies at the end."""
        low, high, value = self.low, self.high, min(max(value, self.low), self.high)
        if self.logarithmic:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return (value - low) / (high - low)

    def y(self, value: float, height: float) -> float:
        """Where a value lies in a plot of this height, whose origin is at the top."""
        return round(height * (1 - self.at(value)), 2)

    @property
    def ticks(self) -> list[float]:
        """Round values within the scale, at most `MOST_TICKS`."""
        if not self.logarithmic or self.high / self.low < 4:
            return _steps(self.low, self.high)
        found = [
            digit * 10.0**power
            for power in range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            for digit in (1, 2, 5)
            if self.low <= digit * 10.0**power <= self.high
        ]
        whole = [value for value in found if f"{value:e}".startswith("1.0")]
        chosen = found if len(found) <= MOST_TICKS else whole or found
        return chosen[:: math.ceil(len(chosen) / MOST_TICKS)]


def scale_of(values: Iterable[float], *, from_zero: bool = False, logarithmic: bool | None = None) -> Scale:
    """A scale that holds all values with a little room around them. `logarithmic`: None decides by how far the values
    lie apart, where all are positive."""
    found = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(found), max(found)
    if logarithmic is None:
        logarithmic = not from_zero and low > 0 and high / low > _LOGARITHMIC
    if logarithmic:
        room = max((high / low) ** 0.06, 1.02)
        return Scale(low / room, high * room, logarithmic=True)
    if from_zero:
        low = min(low, 0.0)
    room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return Scale(low if from_zero and low == 0 else low - room, high + room)


def tick_text(value: float) -> str:
    """`0.002`, `1.5`, `200`: a tick has few digits."""
    if value != 0 and not 1e-4 <= abs(value) < 1e6:
        digits, _, power = f"{value:.1e}".partition("e")
        return f"{digits.removesuffix('.0')}e{int(power)}"
    return f"{value:.6g}"


def x_axis(scale: Scale, height: float, unit: str = "") -> Markup:
    """Lines and numbers below; the unit stands behind the last number."""
    parts = []
    for place, value in enumerate(ticks := scale.ticks):
        at = scale.at(value)
        said = f"{tick_text(value)}{unit if place == len(ticks) - 1 else ''}"
        parts.append(line(at, 0, at, height, "grid"))
        parts.append(text(said, x=share(at), y=height + 15, class_="tick middle"))
    return Markup("").join(parts)


def y_axis(scale: Scale, height: float, unit: str = "") -> Markup:
    """Lines across, and numbers left of the picture, where the page leaves room for them."""
    parts = []
    for value in scale.ticks:
        y = height * (1 - scale.at(value))
        parts.append(line(0, y, 1, y, "grid"))
        parts.append(text(f"{tick_text(value)}{unit}", x=-6, y=y + 4, class_="tick end"))
    return Markup("").join(parts)


def beside_lines(lines: Sequence[float]) -> list[float]:
    """Where the words of horizontal lines stand, so that none overlap: above each line, or as far above it as those of
    lines below need; below the line where there is no room above."""
    places = [0.0] * len(lines)
    lowest = math.inf
    for k in sorted(range(len(lines)), key=lambda k: -lines[k]):
        wanted = min(lines[k] - 4, lowest - _LINE)
        places[k] = wanted if wanted >= _LINE - 2 else lines[k] + _LINE
        lowest = min(lowest, places[k])
    return places


def _steps(low: float, high: float) -> list[float]:
    rough = (high - low) / MOST_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 12) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _written(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
