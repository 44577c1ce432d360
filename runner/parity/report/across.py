"""Two runs compared, as paragraphs and tables."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from parity.judging.across import Across, Estimated, Row
from parity.judging.past import FIRST, SECOND
from parity.reading.dictionary import METRICS
from parity.reading.llama_bench import beside_each_other
from parity.records import Cell, Report
from parity.report.index import metric_title
from parity.report.outputs import Titled, table_of
from parity.report.view import Marked, Table
from parity.report.witnesses import NO_INTERVAL, of_both, witness_tables
from parity.stats import CONFIDENCE
from parity.units import bare_ratio, format_instant, format_ratio, format_value

NOTHING_SHARED = "The runs have no cell in common: a cell is one runtime on one test of one model, by their names."

_MISSING = "—"

_RATIO = "Second ÷ first"

_MEANING = (
    "The second run's value ÷ the first one's also holds what changed on the machine between the runs, which no "
    "interval shows, so that nothing is judged by it. The last column is the change of the ratio to each run's own "
    f"baseline, better or worse where its interval leaves 1 out. All of these hold together with {CONFIDENCE:.0%} "
    "confidence."
)


_OF_OUTPUTS = (
    "The outputs are compared as within a run, the first run in the place of the baseline: WRONG or DRIFT means that "
    "the two differ by more than honest engines do, and not which of them is right."
)


@dataclass(frozen=True)
class CellAcross:
    """One cell of both runs: its figures, and those of its rows that are shown."""

    title: str
    cell: Cell
    table: Table
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class AcrossView:
    """Two runs compared, in the order in which it is read. `runs`: what is compared; `notice`: what may be; `meaning`:
    how the tables of the cells are read. `outputs`: what the cells computed; `silent`: those of which that can't be
    compared. `witnesses`: figures of other benchmarks that both runs have."""

    runs: tuple[str, ...]
    notice: str | None
    cells: tuple[CellAcross, ...]
    meaning: str
    outputs: Table | None
    silent: tuple[str, ...]
    of_outputs: str
    witnesses: tuple[Table, ...]
    verdicts: tuple[str, ...]
    alone: tuple[str, ...]


def across_view(found: Across, first: Report, second: Report) -> AcrossView:
    """What is compared, what may be, a table for each model and test, and what is not in both runs."""
    notice = None
    if found.differences:
        notice = (
            f"The machines or their conditions are not the same ({'; '.join(found.differences)}). Values stand side by "
            "side without a ratio, and only ratios to each run's own baseline are compared."
        )
    titled = [
        Titled(one.found, f"{one.runtime} on {one.model} / {one.test}", FIRST, SECOND)
        for one in found.outputs
        if one.found is not None
    ]
    return AcrossView(
        runs=tuple(_run(name, report) for name, report in (("First", first), ("Second", second))),
        notice=notice,
        cells=tuple(_cells(found, second.baseline)),
        meaning=_MEANING,
        outputs=table_of(titled, "Cell", "Outputs of the second run beside those of the first") if titled else None,
        silent=tuple(
            f"{one.runtime} on {one.model} / {one.test}: {one.reason}" for one in found.outputs if one.found is None
        ),
        of_outputs=_OF_OUTPUTS,
        witnesses=tuple(witness_tables(beside_each_other(of_both(first.witnesses, second.witnesses)))),
        verdicts=found.verdicts,
        alone=found.alone,
    )


def across_blocks(view: AcrossView) -> Iterator[str | Table]:
    """The same as paragraphs and tables."""
    yield "\n".join(view.runs)
    if view.notice is not None:
        yield view.notice
    yield from (one.table for one in view.cells)
    yield view.meaning if view.cells else NOTHING_SHARED
    if view.outputs is not None:
        yield view.outputs
        yield view.of_outputs
    if view.silent:
        yield "\n".join(("Outputs not compared:", *view.silent))
    yield from view.witnesses
    if view.witnesses:
        yield NO_INTERVAL
    if view.verdicts:
        yield "\n".join(("Verdicts that are not the same:", *view.verdicts))
    if view.alone:
        yield "\n".join(("Not compared:", *view.alone))


def _cells(found: Across, baseline: str) -> Iterator[CellAcross]:
    for (model, test, runtime), rows in groupby(found.rows, key=lambda row: (row.model, row.test, row.runtime)):
        shown = tuple(row for row in rows if _is_shown(row))
        title = f"{runtime} on {model} / {test}"
        table = _table(title, shown, baseline)
        yield CellAcross(title, (model, test, runtime), _without(_RATIO, table) if found.differences else table, shown)


def _run(name: str, report: Report) -> str:
    began = format_instant(report.started)
    return f"{name} run: {report.run}, {report.name}, began {began} UTC on {report.machine.get('host')}"


def _is_shown(row: Row) -> bool:
    """Whether it has a place in the table: JSON holds the others."""
    return METRICS[row.metric].shown != "measured" or row.word in ("better", "worse")


def _table(title: str, rows: Sequence[Row], baseline: str) -> Table:
    notes: dict[str, int] = {}
    headers = ("Metric", "First", "Second", _RATIO, f"Ratio to {baseline}", "Change of it")
    cells = []
    for row in rows:
        marks = tuple(notes.setdefault(reason, len(notes) + 1) for reason in row.reasons)
        values = [_MISSING if value is None else format_value(value, row.unit) for value in row.values]
        ratios = [bare_ratio(side.ratio) if side else _MISSING for side in row.to_baseline]
        said = f", {row.word}" if row.word in ("better", "worse") else ""
        told = (*values, _ratio(row.ratio), " → ".join(ratios), f"{_ratio(row.change)}{said}")
        cells.append((Marked(metric_title(row.metric), marks), *map(Marked, told)))
    footnotes = tuple(f"[{number}] {reason}" for reason, number in notes.items())
    table = Table(headers=headers, rows=tuple(cells), footnotes=footnotes, title=title)
    return (
        table
        if any(row.to_baseline != (None, None) for row in rows)
        else _without("Change of it", _without(headers[4], table))
    )


def _without(header: str, table: Table) -> Table:
    at = table.headers.index(header)
    rows = tuple((*row[:at], *row[at + 1 :]) for row in table.rows)
    return replace(table, headers=(*table.headers[:at], *table.headers[at + 1 :]), rows=rows)


def _ratio(found: Estimated | None) -> str:
    return _MISSING if found is None else format_ratio(found.ratio, found.interval)
