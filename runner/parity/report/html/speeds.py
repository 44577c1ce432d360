"""The plots of what was measured on one test: ratios by round, values by runtime, and gaps between tokens."""

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from parity.reading.dictionary import METRICS
from parity.records import Comparison, Verdict
from parity.report.html.curves import Curve, curve_plot
from parity.report.html.rounds import Limit, Ratios, ratio_plot
from parity.report.html.spread import Row, spread_plot
from parity.report.html.svg import SHAPES
from parity.report.html.view import Key, Plot
from parity.report.index import CellResults, Index, metric_order, metric_title
from parity.report.view import Marked, Table
from parity.stats import quantile
from parity.units import bare_ratio, format_value

_ALWAYS = ("gen_tps", "load_s", "ttft_s")
"""Metrics whose values are drawn whatever the gates read."""

_RATIO = "gen_tps"
"""The metric whose ratio is drawn whatever the gates read."""

_MS = 1e-6


def ratio_plots(index: Index, key: str, cell: CellResults) -> Iterator[Plot]:
    """A plot for each metric of an implementation of which a gate judges the ratio, and for the generation speed."""
    judged = [v for v in cell.verdicts if v.kind == "ratio" and v.metric in cell.comparisons]
    metrics = sorted({_RATIO, *(v.metric for v in judged if v.metric)} & set(cell.comparisons), key=metric_order)
    for metric in metrics:
        comparison = cell.comparisons[metric]
        rounds = _ratios(comparison)
        if not rounds or not comparison.comparable:
            continue
        of_metric = [v for v in judged if v.metric == metric]
        deciding = next((v for v in of_metric if v.interval is not None), None)
        interval = deciding.interval if deciding is not None else comparison.interval
        ends = (interval.low, interval.high) if interval is not None else None
        centre = deciding.value if deciding is not None else comparison.ratio
        title = f"{metric_title(metric)}: {cell.title} ÷ {index.baseline.title}, by round"
        limits = tuple(limit for v in of_metric for limit in _limits(v, "×"))
        yield Plot(
            title=title,
            picture=ratio_plot(
                f"{key}-{metric}", title, Ratios(rounds, centre, ends, limits, series_of(index, cell.name))
            ),
            notes=tuple(_judged(of_metric)) or (_interval_said(comparison),),
            table=_ratio_table(index, cell, comparison, rounds),
            has_scale=True,
        )


def spread_plots(index: Index, key: str, cells: Sequence[CellResults]) -> Iterator[Plot]:
    """A plot for each of the metrics that matter most, with the values of all runtimes."""
    gated = {v.metric for cell in cells for v in cell.verdicts if v.metric in METRICS and v.kind in ("ratio", "bound")}
    for metric in sorted({*_ALWAYS, *(m for m in gated if m)}, key=metric_order):
        rows = list(_rows(index, metric, cells))
        if not rows:
            continue
        title = f"{metric_title(metric)} in each round"
        limits = [limit for cell in cells for limit in _bounds(cell, metric)]
        by = {definition for _, definition in rows}
        other = f"By different definitions, so that they can't be compared: {', '.join(sorted(by))}."
        yield Plot(
            title=title,
            picture=spread_plot(f"{key}-{metric}", title, [row for row, _ in rows], _axis(metric)[1], limits),
            notes=(other,) if len(by) > 1 else (),
            table=_values_table(metric, [row for row, _ in rows]),
        )


def gaps_plot(index: Index, key: str, title: str, cells: Sequence[CellResults]) -> Plot | None:
    """The median over the rounds of each gap between two tokens; None where no runtime shows a gap."""
    curves, rows, pieces = [], [], []
    for cell in cells:
        trials = cell.measured_trials()
        by_token = [trial.gaps_ns for trial in trials if trial.gaps_ns]
        gaps = by_token or [trial.text_gaps_ns for trial in trials if trial.text_gaps_ns]
        if not gaps:
            continue
        if not by_token:
            pieces.append(cell.title)
        points = tuple((number + 2, value * _MS) for number, value in enumerate(_medians(gaps)))
        curves.append(Curve(cell.title, points, series_of(index, cell.name)))
        rows.append(_gap_row(cell.title, [value * _MS for trial in gaps for value in trial], points))
    if not curves:
        return None
    notes = (
        [f"Of {', '.join(pieces)}: from each piece of text to the next one, of any number of tokens."] if pieces else []
    )
    table = Table(("Runtime", "Median", "95th percentile", "Largest", "Largest median at token"), tuple(rows))
    said = " ".join(f"{row[0]}: median {row[1]}, 95th percentile {row[2]}, largest {row[3]}." for row in rows)
    return Plot(
        title=title,
        picture=curve_plot(key, title, said, curves, unit=" ms", along="token"),
        legend=legend_of(curves),
        notes=("The median over the rounds of the time from one token to the next.", *notes),
        table=table,
        has_scale=True,
    )


def series_of(index: Index, runtime: str) -> int:
    """The shape and colour of a runtime, the same on the whole page; the baseline's is the first."""
    names = [index.baseline.name, *(runtime.name for runtime in index.implementations)]
    return names.index(runtime)


def legend_of(curves: Iterable[Curve]) -> tuple[Key, ...]:
    return tuple(Key(str(one.series % SHAPES), one.title) for one in curves)


def _ratios(comparison: Comparison) -> tuple[tuple[int, float], ...]:
    sides = zip(comparison.numbers, comparison.ours, comparison.theirs, strict=False)
    return tuple((number, ours / theirs) for number, ours, theirs in sides if theirs > 0 and ours > 0)


def _limits(verdict: Verdict, unit: str) -> Iterator[Limit]:
    for value, words in ((verdict.at_least, "at least"), (verdict.at_most, "at most")):
        if value is not None:
            said = f"{value:g}×" if unit == "×" else format_value(value, unit)
            yield Limit(value, f"{verdict.gate}: {words} {said}")


def _bounds(cell: CellResults, metric: str) -> Iterator[Limit]:
    for verdict in cell.verdicts:
        if verdict.kind == "bound" and verdict.metric == metric:
            for limit in _limits(verdict, METRICS[metric].unit):
                yield Limit(limit.value / _axis(metric)[0], limit.text)


def _judged(verdicts: Sequence[Verdict]) -> Iterator[str]:
    for verdict in verdicts:
        yield f"{verdict.gate}: {verdict.verdict}"
    if any(verdict.interval is not None for verdict in verdicts):
        yield "The band is the interval that decided, or the last one."


def _interval_said(comparison: Comparison) -> str:
    level = f"{comparison.interval.confidence:.0%} " if comparison.interval is not None else ""
    return f"No gate judges this ratio. The band is its {level}interval."


def _ratio_table(index: Index, cell: CellResults, comparison: Comparison, rounds: Sequence[tuple[int, float]]) -> Table:
    sides = zip(comparison.numbers, comparison.theirs, comparison.ours, strict=False)
    values = {number: (theirs, ours) for number, theirs, ours in sides}
    rows = tuple(
        (
            Marked(str(number)),
            *(Marked(format_value(value, comparison.unit)) for value in values[number]),
            Marked(bare_ratio(ratio)),
        )
        for number, ratio in rounds
    )
    return Table(("Round", index.baseline.title, cell.title, "Ratio"), rows)


def _rows(index: Index, metric: str, cells: Sequence[CellResults]) -> Iterator[tuple[Row, str]]:
    """Each runtime's row, and the definition of its values."""
    for cell in cells:
        summary = cell.compared(metric)
        if summary is None or summary.centre is None or not summary.values:
            continue
        one = _axis(metric)[0]
        ends = (summary.interval.low / one, summary.interval.high / one) if summary.interval is not None else None
        said = format_value(summary.centre, summary.unit)
        values = tuple(value / one for value in summary.values)
        yield Row(cell.title, said, values, summary.centre / one, series_of(index, cell.name), ends), summary.definition


def _values_table(metric: str, rows: Sequence[Row]) -> Table:
    one, unit = _axis(metric)[0], METRICS[metric].unit
    listed = tuple(
        (
            Marked(row.title),
            Marked(row.said),
            Marked(" to ".join(format_value(end * one, unit) for end in row.interval) if row.interval else "none"),
            Marked(", ".join(format_value(value * one, unit) for value in row.values)),
        )
        for row in rows
    )
    return Table(("Runtime", "Centre", "Interval", "Values"), listed)


def _medians(gaps: Sequence[Sequence[int]]) -> Iterator[float]:
    """Of the gaps at one place, as far as the longest trial goes."""
    for place in range(max(map(len, gaps))):
        yield median(trial[place] for trial in gaps if len(trial) > place)


def _gap_row(title: str, values: Sequence[float], points: Sequence[tuple[int, float]]) -> tuple[Marked, ...]:
    widest = max(points, key=lambda point: point[1])
    shown = (median(values), quantile(values, 0.95), max(values))
    return (Marked(title), *(Marked(f"{value:.3g} ms") for value in shown), Marked(str(widest[0])))


def _axis(metric: str) -> tuple[float, str]:
    """What is one on the axis of a metric, in its unit, and how that is written."""
    unit = METRICS[metric].unit
    return {"token/s": (1.0, "t/s"), "bytes": (2.0**20, "MiB")}.get(unit, (1.0, unit))
