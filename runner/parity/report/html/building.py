"""From a report's index to what the page shows."""

from parity.report.html.answers import answers_of, cells_of
from parity.report.html.banner import banner_of, judged, split
from parity.report.html.commands import commands_of
from parity.report.html.distances import distance_plots
from parity.report.html.glance import glance
from parity.report.html.machine import machine_plot
from parity.report.html.slow import slow_views
from parity.report.html.speeds import gaps_plot, ratio_plots, spread_plots
from parity.report.html.times import time_plot
from parity.report.html.view import HtmlView, TestView
from parity.report.identity import differences_table
from parity.report.index import WORST_FIRST, Index, Workload, worst
from parity.report.overview import overview
from parity.report.view import Section, Table

MOST_DRAWN = 40
"""Tests of a run that have plots: a page of more is one that browsers show slowly, and nobody reads."""


def html_view(index: Index) -> HtmlView:
    """Everything on the page."""
    report = overview(index)
    shown, folded = split(judged(index))
    pairs = zip(index.workloads, report.sections, strict=True)
    drawn = chosen(index)
    return HtmlView(
        report=report,
        banner=banner_of(index.report),
        verdicts=shown,
        folded=folded,
        tests=tuple(
            _test(index, workload, section, number) if workload in drawn else _undrawn(index, workload, section, number)
            for number, (workload, section) in enumerate(pairs, start=1)
        ),
        machine=machine_plot(index.report),
        commands=tuple(commands_of(index)),
    )


def chosen(index: Index) -> list[Workload]:
    """The tests that are drawn: all, or of too many those that a reader looks at first."""

    def rank(workload: Workload) -> int:
        verdict = worst(verdict for cell in cells_of(index, workload) for verdict in cell.verdicts)
        return WORST_FIRST.index(verdict) if verdict is not None else len(WORST_FIRST)

    return sorted(index.workloads, key=rank)[:MOST_DRAWN]


def _undrawn(index: Index, workload: Workload, section: Section, number: int) -> TestView:
    differences = _differences(index, workload)
    return TestView(
        f"test-{number}",
        workload.title,
        section,
        glance(index, workload),
        differences=differences,
        drawn=False,
        slow=tuple(slow_views(index, workload)),
    )


def _differences(index: Index, workload: Workload) -> tuple[Table, ...]:
    found = (differences_table(index, workload, runtime.name) for runtime in index.implementations)
    return tuple(table for table in found if table is not None)


def _test(index: Index, workload: Workload, section: Section, number: int) -> TestView:
    cells = cells_of(index, workload)
    ratios = [
        plot
        for place, cell in enumerate(cells[1:], start=1)
        for plot in ratio_plots(index, f"ratio-{number}-{place}", cell)
    ]
    return TestView(
        anchor=f"test-{number}",
        title=workload.title,
        section=section,
        glance=glance(index, workload),
        time=time_plot(f"time-{number}", f"Where the time goes: {workload.title}", cells),
        ratios=tuple(ratios),
        values=tuple(spread_plots(index, f"values-{number}", cells)),
        gaps=gaps_plot(index, f"gaps-{number}", f"From token to token: {workload.title}", cells),
        answers=tuple(answers_of(index, workload)),
        distances=tuple(distance_plots(index, f"distance-{number}", workload)),
        differences=_differences(index, workload),
        slow=tuple(slow_views(index, workload)),
    )
