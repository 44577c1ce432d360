"""Single figures for programs: all of a run as CSV, and one by its name."""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from parity.errors import ParityError
from parity.reading.dictionary import METRICS, only_a_bound
from parity.records import Comparison, Interval, Report, Summary
from parity.report.index import CellResults, Index
from parity.visible import printable

RATIO = "ratio"
ENDS = ("low", "high")
"""Of the interval of a value or a ratio."""

COLUMNS = (
    "model",
    "test",
    "runtime",
    "metric",
    "unit",
    "definition",
    "provenance",
    "bound",
    "rounds",
    "value",
    "value_low",
    "value_high",
    "ratio",
    "ratio_low",
    "ratio_high",
    "ratio_rounds",
    "reason",
)

_FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet takes for the beginning of a formula."""


def render_csv(report: Report) -> str:
    """A line for each metric and definition of each cell; what was not measured is empty, with the reason last."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in _rows(Index(report)):
        writer.writerow([_field(value) for value in row])
    return out.getvalue()


@dataclass(frozen=True)
class Figure:
    """A number that was asked for. `remark`: what must be known of it, such as that it is only a bound."""

    value: float
    remark: str | None


def figure_of(report: Report, asked: str, named: Callable[[str, list[str]], str]) -> Figure:
    """The one number that `METRIC`, `METRIC@CELL` or `METRIC.ratio@CELL` names: the value over the cell's own rounds,
    by the definition that it is compared by, or the ratio to the baseline. `.low` and `.high` before the `@` name an
    end of its interval.

    `named` finds the cell that a part of its name means among the names `MODEL/TEST/RUNTIME`.

    Raises:
        ParityError: there is no such metric or cell, several cells have one, or it was not measured.
    """
    wanted, _, part = asked.partition("@")
    metric, *further = wanted.split(".")
    ratio = further[:1] == [RATIO]
    end = further[1 if ratio else 0 :]
    if metric not in METRICS or len(end) > 1 or not set(end) <= set(ENDS):
        raise ParityError(
            f"{asked!r} is no figure; write METRIC or METRIC.ratio, then .low or .high for an end of the interval, "
            "then @CELL, such as gen_tps.ratio.low@RUNTIME"
        )
    cells = {"/".join((m, t, cell.name)): cell for m, t, cell in _cells(Index(report)) if _has(cell, metric, ratio)}
    if not cells:
        raise ParityError(f"no cell of this run has {'a ratio of ' if ratio else ''}{metric}")
    if part:
        name = named(part, list(cells))
    elif len(cells) == 1:
        [name] = cells
    else:
        listed = "\n".join(f"    {asked}@{name}" for name in cells)
        raise ParityError(f"{len(cells)} cells have {metric}; name one of them:\n{listed}")
    cell = cells[name]
    figure, interval = _ratio(name, cell.comparisons[metric]) if ratio else _value(name, cell, metric)
    if not end:
        return figure
    if interval is None:
        raise ParityError(f"{wanted.rpartition('.')[0]} of {name} has no interval: the run has too few rounds for one")
    return Figure(interval.low if end == ["low"] else interval.high, figure.remark)


def _has(cell: CellResults, metric: str, ratio: bool) -> bool:
    return metric in cell.comparisons if ratio else cell.summary(metric) is not None


def _value(name: str, cell: CellResults, metric: str) -> tuple[Figure, Interval | None]:
    summary = cell.compared(metric)
    if summary is None or summary.centre is None:
        raise ParityError(f"{metric} of {name} was not measured: {cell.absence(summary)}")
    bound = only_a_bound(metric, summary.definition)
    remark = f"only {'an' if bound == 'upper' else 'a'} {bound} bound" if bound else None
    return Figure(summary.centre, remark), summary.interval


def _ratio(name: str, comparison: Comparison) -> tuple[Figure, Interval | None]:
    if not comparison.has_ratio:
        raise ParityError(f"{comparison.metric} of {name} has no ratio: {comparison.reason}")
    assert comparison.ratio is not None, "it has a ratio"
    return Figure(comparison.ratio, comparison.doubt), comparison.interval


def _cells(index: Index) -> Iterator[tuple[str, str, CellResults]]:
    for workload in index.workloads:
        for runtime in (index.baseline, *index.implementations):
            model, test = workload.model.name, workload.test.name
            yield model, test, index.cell(model, test, runtime.name)


def _rows(index: Index) -> Iterator[tuple[str | float | None, ...]]:
    for model, test, cell in _cells(index):
        for summary in cell.summaries:
            compared = _comparison(cell, summary)
            ratio = compared if compared is not None and compared.has_ratio else None
            reason = cell.absence(summary) if summary.centre is None else None
            yield (
                model,
                test,
                cell.name,
                summary.metric,
                summary.unit,
                summary.definition,
                summary.provenance,
                only_a_bound(summary.metric, summary.definition),
                len(summary.values),
                summary.centre,
                summary.interval.low if summary.interval else None,
                summary.interval.high if summary.interval else None,
                ratio.ratio if ratio else None,
                ratio.interval.low if ratio and ratio.interval else None,
                ratio.interval.high if ratio and ratio.interval else None,
                ratio.rounds if ratio else None,
                reason or (compared and (compared.reason or compared.doubt)) or None,
            )


def _comparison(cell: CellResults, summary: Summary) -> Comparison | None:
    """The comparison by the summary's own definition."""
    first = cell.comparisons.get(summary.metric)
    if first is not None and first.definition in (None, summary.definition):
        return first
    return cell.beside.get((summary.metric, summary.definition))


def _field(value: str | float | None) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return repr(value)
    plain = printable(value)
    return f"'{plain}" if plain.startswith(_FORMULA) else plain
