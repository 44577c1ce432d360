"""The page of two runs compared: tables, the changes of ratios drawn, and both answers of each cell."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from parity.judging.across import Across, Row
from parity.judging.outputs_across import OutputsAcross, compared_across
from parity.judging.past import FIRST, SECOND, PastRun, Runs
from parity.records import Trial
from parity.report.across import AcrossView, CellAcross, across_view
from parity.report.html.answers import apart, likeliest
from parity.report.html.rounds import Limit
from parity.report.html.spread import Row as Spread
from parity.report.html.spread import spread_plot
from parity.report.html.view import Answers, Plot
from parity.report.index import metric_title
from parity.units import format_ratio

MOST_DRAWN = 40
"""Cells that have a plot and both answers, as on the page of one run."""


@dataclass(frozen=True)
class CellView:
    """`anchor`: its id on the page. `drawn`: False where it has neither plot nor answers because the runs have too many
    cells."""

    anchor: str
    title: str
    cell: CellAcross
    changes: Plot | None = None
    answers: Answers | None = None
    drawn: bool = True


@dataclass(frozen=True)
class AcrossPage:
    """Everything on the page."""

    title: str
    across: AcrossView
    cells: tuple[CellView, ...]


def across_page(found: Across, first: PastRun, second: PastRun) -> AcrossPage:
    """Two runs compared, as the page shows them."""
    view = across_view(found, first.report, second.report)
    judged = {(one.model, one.test, one.runtime): one for one in found.outputs}
    runs = Runs(first, second)
    # The first of those that changed, then the first of the others.
    drawn = sorted(view.cells, key=lambda one: not _changed(one, judged[one.cell]))[:MOST_DRAWN]
    return AcrossPage(
        title=f"{first.report.run} and {second.report.run}",
        across=view,
        cells=tuple(
            _cell(f"cell-{number}", one, runs, judged[one.cell])
            if one in drawn
            else CellView(f"cell-{number}", one.title, one, drawn=False)
            for number, one in enumerate(view.cells, start=1)
        ),
    )


def _changed(one: CellAcross, judged: OutputsAcross) -> bool:
    differs = judged.found is not None and judged.found.verdict in ("WRONG", "DRIFT")
    return differs or any(row.word in ("better", "worse") for row in one.rows)


def _cell(anchor: str, one: CellAcross, runs: Runs, judged: OutputsAcross) -> CellView:
    return CellView(anchor, one.title, one, _changes(f"{anchor}-change", one), _answers(runs, judged))


def _changes(key: str, one: CellAcross) -> Plot | None:
    """The change of each ratio to the baseline, with its interval; None where none can be told."""
    rows = list(_rows(one.rows))
    if not rows:
        return None
    title = f"Change of the ratios to the baseline: {one.title}"
    return Plot(title=title, picture=spread_plot(key, title, rows, "×", (Limit(1.0, "no change"),)))


def _rows(rows: Sequence[Row]) -> Iterator[Spread]:
    for row in rows:
        if row.change is not None:
            word = f", {row.word}" if row.word in ("better", "worse") else ""
            said = f"{format_ratio(row.change.ratio, row.change.interval)}{word}"
            yield Spread(metric_title(row.metric), said, (), row.change.ratio, 1, row.change.interval)


def _answers(runs: Runs, judged: OutputsAcross) -> Answers | None:
    """Both texts; None where a run shows none."""
    cell = judged.model, judged.test, judged.runtime
    trials = runs.trials(cell)
    theirs, ours = (_text(trials, side) for side in (FIRST, SECOND))
    if theirs is None or ours is None:
        return None
    found = judged.found
    return Answers(
        title=f"{FIRST} and {SECOND}",
        verdict=found.verdict if found is not None else None,
        sentence=found.sentence if found is not None else judged.reason or "",
        sides=apart((FIRST, theirs), (SECOND, ours)),
        differ=theirs != ours,
        top=likeliest(found.first_difference, (FIRST, SECOND), compared_across(runs, cell)) if found else None,
    )


def _text(trials: Sequence[Trial], side: str) -> str | None:
    return next((t.text for t in trials if t.runtime == side and t.is_measured and t.failure is None and t.text), None)
