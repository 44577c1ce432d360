"""The page of a trend: the ratios of one metric over the runs of one config, drawn."""

from collections.abc import Iterator
from dataclasses import replace

from markupsafe import Markup

from parity.report.html.svg import Scale, line, mark, plot, scale_of, share, text, y_axis
from parity.report.html.view import Plot
from parity.report.trend import Line, Point, Trend, began_of, table_of
from parity.units import format_ratio, plural

_HEIGHT = 190
_MOST_DATES = 3
"""Runs that have a date below them: of more, some have, so that dates stand apart on a telephone."""


def trend_plots(trend: Trend) -> Iterator[Plot]:
    """A plot for each line, with its values as a table."""
    for number, one in enumerate(trend.lines):
        table = table_of(one)
        yield Plot(
            title=one.title,
            picture=_picture(f"trend-{number}", one),
            notes=table.footnotes,
            table=replace(table, title=""),
            has_scale=True,
        )


def _picture(key: str, one: Line) -> Markup:
    """A point for each run in their order, on a scale of logarithms, with its interval and a line where sides are
    equal."""
    ends = [end for point in one.points for end in (point.interval or ())]
    scale = scale_of([v for v in (1.0, *(p.ratio for p in one.points), *ends) if v > 0], logarithmic=True)
    parts = [y_axis(scale, _HEIGHT, "×"), line(0, scale.y(1.0, _HEIGHT), 1, scale.y(1.0, _HEIGHT), "equal")]
    parts += list(_points(scale, one.points))
    return plot(key, one.title, _said(one), _HEIGHT + 22, parts)


def _points(scale: Scale, points: tuple[Point, ...]) -> Iterator[Markup]:
    step = 1 + (len(points) - 1) // _MOST_DATES
    for place, point in enumerate(points):
        x = (place + 0.5) / len(points)
        if point.interval is not None:
            low, high = point.interval
            yield line(x, scale.y(low, _HEIGHT), x, scale.y(high, _HEIGHT), "centre")
        tip = f"{point.run}, {began_of(point)}: {format_ratio(point.ratio, point.interval)}, {point.verdict}"
        yield mark(1, x, scale.y(point.ratio, _HEIGHT), tip)
        if place % step == 0:
            yield text(point.began[:10], x=share(x), y=_HEIGHT + 15, class_="tick middle")


def _said(one: Line) -> str:
    ratios = [point.ratio for point in one.points]
    first, last = one.points[0], one.points[-1]
    span = f"from {first.began[:10]} to {last.began[:10]}"
    return (
        f"{plural(len(ratios), 'run')} {span}, between {min(ratios):.3g}× and {max(ratios):.3g}×; "
        f"the last one {format_ratio(last.ratio, last.interval)}."
    )
