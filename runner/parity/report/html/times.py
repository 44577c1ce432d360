"""Where the time of each runtime went on one test: the plot of one trial each, with its table."""

from collections.abc import Sequence

from parity.records import Trial
from parity.report.delta import MISSING
from parity.report.html.bars import STAGES, Bar, stages_in, timeline
from parity.report.html.view import Key, Plot
from parity.report.index import CellResults
from parity.report.view import Marked, Table
from parity.units import format_value


def time_plot(key: str, title: str, cells: Sequence[CellResults]) -> Plot | None:
    """One bar for each runtime; None where no trial shows any stage."""
    bars = [bar for cell in cells if (bar := _bar(cell)) is not None]
    if not bars:
        return None
    names = stages_in(bars)
    rows = [
        (
            Marked(STAGES[name][1]),
            *(Marked(format_value(s, "s") if (s := bar.spent(name)) else MISSING) for bar in bars),
        )
        for name in names
    ]
    rows.append((Marked("in all"), *(Marked(format_value(bar.seconds, "s")) for bar in bars)))
    return Plot(
        title=title,
        picture=timeline(key, title, bars),
        legend=tuple(Key(f"stage {name}", STAGES[name][1], STAGES[name][0]) for name in names),
        notes=(
            "Of each runtime, the measured trial of median length, from the start of its process to its end. Of one "
            "whose trials all failed, the last.",
        ),
        table=Table(("Stage", *(f"{bar.title}, {bar.remark}" for bar in bars)), tuple(rows)),
    )


def median_trial(cell: CellResults) -> Trial | None:
    """The measured trial of median length; None where no measured trial shows its length."""
    good = sorted((t for t in cell.measured_trials() if t.stages), key=lambda trial: trial.stages[-1].end_s)
    return good[(len(good) - 1) // 2] if good else None


def _bar(cell: CellResults) -> Bar | None:
    """The trial of median length; of a runtime without one, its last trial that failed."""
    if (chosen := median_trial(cell)) is not None:
        return Bar(cell.title, f"round {chosen.round}", chosen.stages)
    failed = [t for t in cell.trials if t.failure is not None and t.stages]
    if failed and (failure := failed[-1].failure) is not None:
        return Bar(cell.title, f"failed ({failure.kind})", failed[-1].stages)
    return None
