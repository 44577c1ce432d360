"""How the values of each runtime scatter over the rounds: a row of points for each, on one scale."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from parity.report.html.rounds import Limit
from parity.report.html.svg import Scale, line, mark, plot, scale_of, share, text, x_axis

_ROW, _LABEL, _STRIP = 46, 14, 31


@dataclass(frozen=True)
class Row:
    """`said`: the centre with its unit. `series`: the shape and the colour of its points."""

    title: str
    said: str
    values: tuple[float, ...]
    centre: float
    series: int = 0
    interval: tuple[float, float] | None = None


def spread_plot(key: str, title: str, rows: Sequence[Row], unit: str = "", limits: Sequence[Limit] = ()) -> Markup:
    """A row for each runtime: its points, the interval of its centre as a bar, and the centre as a line across it."""
    values = [value for row in rows for value in (*row.values, row.centre, *(row.interval or ()))]
    scale = scale_of([*values, *(limit.value for limit in limits)])
    head = 16 if limits else 0
    height = head + _ROW * len(rows)
    parts = [x_axis(scale, height, f" {unit}" if unit else "")]
    for place, limit in enumerate(limits):
        at = scale.at(limit.value)
        parts.append(line(at, head - 2, at, height, "limit"))
        end = at > 0.5
        parts.append(
            text(limit.text, x=share(at), y=11, class_=f"limit-text{' end' if end else ''}", dx=-4 if end else 4)
            if place == 0 or limit.text != limits[place - 1].text
            else Markup("")
        )
    for place, row in enumerate(rows):
        parts += _row(scale, row, head + _ROW * place)
    return plot(key, title, " ".join(_said(row) for row in rows), height + 20, parts)


def _row(scale: Scale, row: Row, top: int) -> Iterator[Markup]:
    yield text(f"{row.title}: {row.said}", x=3, y=top + _LABEL, class_="label")
    middle = top + _STRIP
    if row.interval is not None:
        low, high = (scale.at(end) for end in row.interval)
        yield line(low, middle, high, middle, "interval")
    for value in row.values:
        yield mark(row.series, scale.at(value), middle)
    centre = scale.at(row.centre)
    yield line(centre, middle - 10, centre, middle + 10, "centre")


def _said(row: Row) -> str:
    spread = f" in {len(row.values)} rounds from {min(row.values):.4g} to {max(row.values):.4g}" if row.values else ""
    return f"{row.title}: {row.said}{spread}."
