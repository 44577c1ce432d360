"""The ratios of one metric over the runs of one config: a table in the terminal, and the data that the page draws."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from parity.report.index import metric_title
from parity.report.view import Marked, Table
from parity.units import format_instant, format_ratio

_CONFIG = "the config was changed since the run before"
_NOTE = "Each ratio is that of a run to its own baseline, with the interval that the run's report shows."


@dataclass(frozen=True)
class Point:
    """One run. `began`: ISO 8601, UTC. `interval`: None where the rounds were too few. `changed`: its config is not
    that of the run before."""

    run: str
    began: str
    machine: str
    verdict: str
    ratio: float
    interval: tuple[float, float] | None
    changed: bool = False


@dataclass(frozen=True)
class Line:
    """The runs of a cell by one definition and against one baseline, the oldest first."""

    model: str
    test: str
    runtime: str
    baseline: str
    definition: str
    points: tuple[Point, ...]

    @property
    def title(self) -> str:
        return f"{self.runtime} ÷ {self.baseline} on {self.model} / {self.test}, {self.definition}"


@dataclass(frozen=True)
class Trend:
    """`without`: how many of the runs that were asked for have no ratio of the metric."""

    config: str
    metric: str
    lines: tuple[Line, ...]
    without: int

    @property
    def title(self) -> str:
        return f"{metric_title(self.metric)} ({self.metric}) over the runs of {self.config}"


def trend_blocks(trend: Trend) -> Iterator[str | Table]:
    """A table for each line."""
    yield trend.title if trend.lines else f"No run of {trend.config} has a ratio of {trend.metric}."
    yield from (table_of(line) for line in trend.lines)
    yield from notes_of(trend)


def notes_of(trend: Trend) -> Sequence[str]:
    """What a reader has to know beside the ratios."""
    lacking = f"{trend.without} of the runs {'has' if trend.without == 1 else 'have'} none, and are left out."
    return [*([_NOTE] if trend.lines else []), *([lacking] if trend.without and trend.lines else [])]


def table_of(line: Line) -> Table:
    """A row for each run. The machine has a column where there are several."""
    machines = len({point.machine for point in line.points}) > 1
    changed = any(point.changed for point in line.points)
    headers = ("Began (UTC)", "Ratio", "Verdict", *(("Machine",) if machines else ()), "Run")
    rows = tuple(
        (
            Marked(began_of(point), (1,) if point.changed else ()),
            Marked(format_ratio(point.ratio, point.interval)),
            Marked(point.verdict),
            *((Marked(point.machine),) if machines else ()),
            Marked(point.run),
        )
        for point in line.points
    )
    return Table(headers=headers, rows=rows, footnotes=(f"[1] {_CONFIG}",) if changed else (), title=line.title)


def began_of(point: Point) -> str:
    """`2031-01-30 12:00:00`."""
    return format_instant(point.began)
