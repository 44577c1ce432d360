"""The delta table of one pair: an implementation beside the baseline, a row a metric."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from parity.reading.dictionary import METRICS, only_a_bound
from parity.records import Comparison, Interval, Summary, flattened
from parity.report.index import CellResults, Pair, metric_order, metric_title
from parity.report.view import Marked, Table
from parity.units import format_delta, format_difference, format_ratio, format_value

HEADLINE = tuple(name for name, spec in METRICS.items() if spec.shown == "headline")
"""Metrics that the owner's table consists of."""

ALWAYS = (*HEADLINE, *(name for name, spec in METRICS.items() if spec.shown == "always"))
"""Metrics whose rows are there even where no runtime has them."""

MISSING = "—"


@dataclass(frozen=True)
class Entry:
    """A value as it is written, or `—`; `notes` become footnotes. `definition`: how it was measured."""

    text: str
    notes: tuple[str, ...] = ()
    definition: str | None = None


@dataclass(frozen=True)
class Row:
    """One metric: the baseline's entry, then implementation and delta where there is an implementation."""

    metric: str
    title: str
    baseline: Entry
    implementation: Entry | None = None
    delta: Entry | None = None

    @property
    def entries(self) -> list[Entry]:
        return [entry for entry in (self.baseline, self.implementation, self.delta) if entry is not None]

    @property
    def is_empty(self) -> bool:
        """No side has a value."""
        return all(e.text == MISSING for e in (self.baseline, self.implementation) if e is not None)

    @property
    def may_be_left_out(self) -> bool:
        return self.metric not in ALWAYS


def delta_rows(pair: Pair) -> list[Row]:
    """A row for each of `ALWAYS`, then for each further metric of which either side has a record; a metric that is a
    share of another one comes right beneath it, once a side has it."""
    summaries = [summary for side in pair.sides for summary in side.summaries]
    known = {s.metric for s in summaries} | set(pair.implementation.comparisons if pair.implementation else ())
    measured = {s.metric for s in summaries if s.centre is not None}
    leading: list[str] = []
    for metric in ALWAYS:
        leading += [metric, *(part for part in METRICS[metric].parts if part in measured)]
    names = (*leading, *sorted(known - set(leading), key=metric_order))
    rows = (delta_row(pair, metric) for metric in names)
    return [each for row in rows for each in (row, *_rows_beside(pair, row))]


def _rows_beside(pair: Pair, row: Row) -> Iterator[Row]:
    """A row for each definition that has one of its own and that a side has a value by, unless the metric's row shows
    it."""
    metric, shown = row.metric, {entry.definition for entry in row.entries}
    for definition in METRICS[metric].definitions if metric in METRICS else ():
        if definition.row is None or definition.id in shown:
            continue
        found = [side.summary(metric, definition.id) for side in pair.sides]
        exact = [s if s is not None and s.definition == definition.id else None for s in found]
        if not any(s is not None and s.centre is not None for s in exact):
            continue
        entries = [value_entry(side, s) for side, s in zip(pair.sides, exact, strict=True)]
        if pair.implementation is None:
            yield Row(metric, definition.row, entries[0])
            continue
        comparison = pair.implementation.beside.get((metric, definition.id))
        delta = Entry(MISSING) if comparison is None else delta_entry(comparison, metric)
        yield Row(metric, definition.row, entries[0], entries[1], delta)


def delta_row(pair: Pair, metric: str) -> Row:
    """One metric of both sides by their comparison's definition; without one, each by its strictest."""
    comparison = pair.implementation.comparisons.get(metric) if pair.implementation else None
    definition = comparison.definition if comparison else None
    entries = [
        value_entry(side, side.summary(metric, definition), side_value(pair, side, metric)) for side in pair.sides
    ]
    if len({entry.definition for entry in entries} - {None}) > 1:
        entries = [_with_definition(entry) for entry in entries]
    title = metric_title(metric)
    if pair.implementation is None:
        return Row(metric, title, entries[0])
    delta = delta_entry(comparison, metric)
    if delta.text == MISSING and any(entry.text == MISSING for entry in entries):
        delta = Entry(MISSING)
    return Row(metric, title, entries[0], entries[1], delta)


def headline_row(pair: Pair, metric: str) -> Row:
    """The page has no row for a share of a metric, so that it is a note on the metric's own."""
    row = delta_row(pair, metric)
    baseline = _with_share(row.baseline, pair.baseline, metric)
    if pair.implementation is None or row.implementation is None:
        return replace(row, baseline=baseline)
    return replace(row, baseline=baseline, implementation=_with_share(row.implementation, pair.implementation, metric))


def side_value(pair: Pair, side: CellResults, metric: str) -> float | None:
    """The value of one side over the rounds, and the tokens, that its comparison is of; None without a comparison."""
    comparison = pair.implementation.comparisons.get(metric) if pair.implementation else None
    if comparison is None:
        return None
    return comparison.baseline_value if side is pair.baseline else comparison.value


def value_entry(side: CellResults, summary: Summary | None, compared: float | None = None) -> Entry:
    """A cell's value, or `—` with the reason. `compared`: the value that the row's delta is of, where it has one."""
    if summary is None or summary.centre is None:
        return Entry(MISSING, (side.absence(summary),))
    sign = {"upper": "≤ ", "lower": "≥ "}.get(only_a_bound(summary.metric, summary.definition) or "", "")
    notes = (summary.note,) if summary.note else ()
    text, all_rounds = (format_value(v, summary.unit) for v in (compared or summary.centre, summary.centre))
    if text != all_rounds:
        notes = (*notes, f"of what both sides have in common; {all_rounds} over all of its own rounds and tokens")
    return Entry(f"{sign}{text}", notes, summary.definition)


def delta_entry(comparison: Comparison | None, metric: str) -> Entry:
    """Difference, ratio and interval; `—` or `NOT COMPARABLE` with the reason. A mere fact has no ratio."""
    if metric in METRICS and METRICS[metric].better is None:
        return _fact_delta(comparison)
    if comparison is None:
        return Entry(MISSING, ("not compared",))
    tokens = None
    if comparison.tokens is not None:
        tokens = (
            f"over the tokens that both sides have ({comparison.tokens} or more), which did not generate equally many"
        )
    bound = only_a_bound(metric, comparison.definition)
    bounds = f"both values are {bound} bounds" if bound == "lower" else None
    why = "; ".join(said for said in (comparison.reason, flattened(comparison.remedy or "")) if said)
    reasons = tuple(said for said in (bounds, tokens, why, comparison.doubt) if said)
    if not comparison.comparable:
        return Entry("NOT COMPARABLE", reasons or ("the two sides did different work",))
    difference, ratio, unit = comparison.difference, comparison.ratio, comparison.unit
    interval = _ends(comparison.interval)
    if ratio is None:
        text = MISSING if difference is None else format_difference(difference, unit)
        return Entry(text, reasons or ("the ratio can't be computed",))
    if difference is None:
        return Entry(f"{MISSING} ({format_ratio(ratio, interval)})", reasons or ("the difference can't be computed",))
    text = format_delta(difference, unit, ratio, interval)
    return Entry(f"{text}{_floor(comparison)}", reasons, comparison.definition)


def _floor(comparison: Comparison) -> str:
    """The ratio of the baseline with itself, where the run measured it."""
    if comparison.floor is None:
        return ""
    return f", floor {format_ratio(comparison.floor.ratio, _ends(comparison.floor.interval))}"


def tabulated(rows: Sequence[Row], headers: Sequence[str], how: Iterable[str] = (), title: str = "") -> Table:
    """The rows under their headers, with notes as numbered footnotes."""
    footnotes = _Footnotes()
    grid = [
        (Marked(row.title), *(footnotes.mark(e, h, row.title) for e, h in zip(row.entries, headers[1:], strict=True)))
        for row in rows
    ]
    return Table(tuple(headers), tuple(grid), tuple(footnotes.lines(len(rows))), tuple(how), title)


@dataclass
class _Footnotes:
    """Numbers the notes of one table; the same note on several metrics of one column is one line."""

    _subjects: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def mark(self, entry: Entry, column: str, row: str) -> Marked:
        marks = []
        for note in entry.notes:
            self._subjects.setdefault((column, note), []).append(row)
            marks.append(list(self._subjects).index((column, note)) + 1)
        return Marked(entry.text, tuple(marks))

    def lines(self, rows: int) -> list[str]:
        """`[1] mlx-lm, Model Load: …`, one line a note. `rows`: how many the table has."""
        return [
            f"[{number}] {column}, {', '.join(noted) if len(noted) < rows else 'every row'}: {note}"
            for number, ((column, note), noted) in enumerate(self._subjects.items(), start=1)
        ]


def _with_share(entry: Entry, side: CellResults, metric: str) -> Entry:
    """With a note of the share that another metric has in it, where that was measured."""
    part = METRICS[metric].part
    found = side.summary(part) if part else None
    if found is None or found.centre is None or entry.text == MISSING:
        return entry
    share = f"{format_value(found.centre, found.unit)} of it is {metric_title(found.metric)} ({found.metric})"
    return replace(entry, notes=(*entry.notes, share))


def _with_definition(entry: Entry) -> Entry:
    if entry.definition is None:
        return entry
    return replace(entry, notes=(*entry.notes, f"uses the definition {entry.definition}"))


def _fact_delta(comparison: Comparison | None) -> Entry:
    if comparison is None or comparison.difference is None or not comparison.comparable:
        return Entry("")
    return Entry(format_difference(comparison.difference, comparison.unit))


def _ends(interval: Interval | None) -> tuple[float, float] | None:
    return (interval.low, interval.high) if interval else None
