"""The delta table of one model and test as plain rows, and the lookups in a report that formats share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from parity.reading.dictionary import METRICS, only_a_bound, strictness
from parity.records import (
    Comparison,
    Interval,
    ModelFacts,
    Report,
    RuntimeReport,
    Summary,
    TestSpec,
    Trial,
    Verdict,
    VerdictKind,
)
from parity.units import format_delta, format_difference, format_ratio, format_value

HEADLINE = ("load_s", "prompt_tps", "gen_tps")
"""Metrics that the owner's table consists of."""

ALWAYS = (*HEADLINE, "ttft_s", "total_s", "peak_rss_bytes")
"""Metrics whose rows are there even where no runtime has them."""

MISSING = "—"

_WORST_FIRST: tuple[VerdictKind, ...] = (
    "FAIL",
    "NOT COMPARABLE",
    "NOT RUN",
    "INCONCLUSIVE",
    "PASS",
    "NOT APPLICABLE",
)


@dataclass(frozen=True)
class Figure:
    """A value as it is written, or `—`; `notes` must be said beneath it. `definition`: how it was had."""

    text: str
    notes: tuple[str, ...] = ()
    definition: str | None = None


@dataclass(frozen=True)
class Row:
    """One metric: the baseline's figure, then implementation and delta where there is an implementation."""

    metric: str
    title: str
    baseline: Figure
    implementation: Figure | None = None
    delta: Figure | None = None


@dataclass
class Footnotes:
    """Numbers the notes of one table; the same note on several metrics of one column is one line."""

    _subjects: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def mark(self, figure: Figure, column: str, row: str) -> str:
        """The figure's text with the numbers of its notes: `— [1]`."""
        marks = []
        for note in figure.notes:
            self._subjects.setdefault((column, note), []).append(row)
            marks.append(f"[{list(self._subjects).index((column, note)) + 1}]")
        return " ".join([figure.text, *marks])

    def lines(self, rows: int) -> list[str]:
        """`[1] mlx-lm, Model Load: …`, one line a note. `rows`: how many the table has."""
        return [
            f"[{number}] {column}, {', '.join(noted) if len(noted) < rows else 'every row'}: {note}"
            for number, ((column, note), noted) in enumerate(self._subjects.items(), start=1)
        ]


def metric_title(metric: str) -> str:
    """The metric's title in the dictionary; a metric that it doesn't know keeps its id."""
    return METRICS[metric].title if metric in METRICS else metric


def title_of_test(report: Report, name: str) -> str:
    """The title of a test by its name in the config."""
    return next((test.title for test in report.tests if test.name == name), name)


def cells_of(report: Report) -> list[tuple[ModelFacts, TestSpec]]:
    """Each model with each test of which the report has a record; a test may be for some of the models only."""
    pairs = {(s.model, s.test) for s in report.summaries}
    pairs |= {(t.model, t.test) for t in report.trials}
    pairs |= {(v.model, v.test) for v in report.verdicts}
    return [(m, t) for m in report.models for t in report.tests if (m.name, t.name) in pairs]


def baseline_of(report: Report) -> RuntimeReport:
    """The runtime that the others are held against."""
    return next(runtime for runtime in report.runtimes if runtime.name == report.baseline)


def implementations_of(report: Report) -> tuple[RuntimeReport, ...]:
    """The runtimes that are held against the baseline, in the config's order."""
    return tuple(runtime for runtime in report.runtimes if runtime.name != report.baseline)


def runtime_title(report: Report, name: str) -> str:
    """The title of a runtime by its name in the config."""
    return next((runtime.title for runtime in report.runtimes if runtime.name == name), name)


def summaries_of(report: Report, model: str, test: str, runtime: str) -> list[Summary]:
    """Every summary of a cell, each metric's strictest definition first."""
    found = [s for s in report.summaries if (s.model, s.test, s.runtime) == (model, test, runtime)]
    return sorted(found, key=lambda s: (_metric_order(s.metric), strictness(s.metric, s.definition)))


def summary_of(
    report: Report, model: str, test: str, runtime: str, metric: str, definition: str | None = None
) -> Summary | None:
    """A metric of a cell: by `definition` if there, else by the strictest that has a value, else any."""
    found = [s for s in summaries_of(report, model, test, runtime) if s.metric == metric]
    asked = [s for s in found if s.definition == definition]
    valued = [s for s in found if s.centre is not None]
    return next(iter((*asked, *valued, *found)), None)


def comparison_of(report: Report, model: str, test: str, runtime: str, metric: str) -> Comparison | None:
    """A metric of an implementation against the baseline, or None where the two were not compared."""
    key = (model, test, runtime, metric)
    return next((c for c in report.comparisons if (c.model, c.test, c.runtime, c.metric) == key), None)


def worst(verdicts: Iterable[Verdict]) -> VerdictKind | None:
    """The verdict that speaks for several cells; `NOT APPLICABLE` speaks only where there is nothing else."""
    kinds = {verdict.verdict for verdict in verdicts}
    return next((kind for kind in _WORST_FIRST if kind in kinds), None)


def ends(interval: Interval | None) -> tuple[float, float] | None:
    """An interval as the pair that `parity.units` takes."""
    return (interval.low, interval.high) if interval else None


def absence(report: Report, model: str, test: str, runtime: str) -> str:
    """Why a cell has no value of a metric, where nothing more exact is known."""
    found = next((entry for entry in report.runtimes if entry.name == runtime), None)
    if found is not None and found.status != "ready":
        return f"{found.status}: {found.reason}" if found.reason else found.status
    trials = [t for t in report.trials if (t.model, t.test, t.runtime) == (model, test, runtime) and not t.warmup]
    failed = [trial.failure.kind for trial in trials if trial.failure]
    if not trials:
        return "no trial was run"
    if len(failed) == len(trials):
        return f"every trial failed ({', '.join(dict.fromkeys(failed))})"
    return "not measured"


def cell_figure(report: Report, model: str, test: str, runtime: str, summary: Summary | None) -> Figure:
    """A cell's value, or `—` with the reason."""
    if summary is None or summary.centre is None:
        why = (summary.reason if summary else None) or absence(report, model, test, runtime)
        return Figure(MISSING, (why,))
    return Figure(format_value(summary.centre, summary.unit), tuple(remarks(summary)), summary.definition)


def remarks(summary: Summary) -> list[str]:
    """What must be said of a value: that it is only a bound, and how it was had."""
    bound = only_a_bound(summary.metric, summary.definition) if summary.metric in METRICS else None
    said = [f"{'an upper' if bound == 'upper' else 'a lower'} bound"] if bound else []
    return [*said, *([summary.note] if summary.note else [])]


def delta_figure(comparison: Comparison | None, metric: str) -> Figure:
    """Difference, ratio and interval; `—` or `NOT COMPARABLE` with the reason. A mere fact has no ratio."""
    if metric in METRICS and METRICS[metric].better is None:
        return _fact_delta(comparison)
    if comparison is None:
        return Figure(MISSING, ("not compared",))
    reasons = tuple(said for said in (comparison.reason, comparison.doubt) if said)
    if not comparison.comparable:
        return Figure("NOT COMPARABLE", reasons or ("the two sides did not do the same",))
    difference, ratio, unit = comparison.difference, comparison.ratio, comparison.unit
    interval = ends(comparison.interval)
    if ratio is None:
        text = MISSING if difference is None else format_difference(difference, unit)
        return Figure(text, reasons or ("no ratio could be formed",))
    if difference is None:
        text = f"{MISSING} ({format_ratio(ratio, interval)})"
        return Figure(text, reasons or ("no difference could be formed",))
    return Figure(format_delta(difference, unit, ratio, interval), reasons, comparison.definition)


def _fact_delta(comparison: Comparison | None) -> Figure:
    if comparison is None or comparison.difference is None or not comparison.comparable:
        return Figure("")
    return Figure(format_difference(comparison.difference, comparison.unit))


def delta_rows(report: Report, model: str, test: str, implementation: str | None) -> list[Row]:
    """A row for each of `ALWAYS`, then for each further metric of which either side has a record; a metric that is a
    share of another one comes right beneath it, once a side has it."""
    sides = [report.baseline, *([implementation] if implementation else [])]
    seen = {s.metric for side in sides for s in summaries_of(report, model, test, side)}
    seen |= {c.metric for c in report.comparisons if (c.model, c.test, c.runtime) == (model, test, implementation)}
    had = {s.metric for side in sides for s in summaries_of(report, model, test, side) if s.centre is not None}
    leading: list[str] = []
    for metric in ALWAYS:
        part = METRICS[metric].part
        leading += [metric] if part is None or part not in had else [metric, part]
    metrics = [*leading, *sorted(seen - set(leading), key=_metric_order)]
    return [delta_row(report, model, test, implementation, metric) for metric in metrics]


def with_share(figure: Figure, report: Report, model: str, test: str, runtime: str, metric: str) -> Figure:
    """The figure of a metric with a note of the share that another metric has in it, where that was seen."""
    part = METRICS[metric].part
    found = summary_of(report, model, test, runtime, part) if part else None
    if found is None or found.centre is None or figure.text == MISSING:
        return figure
    share = f"{format_value(found.centre, found.unit)} of it is {metric_title(found.metric)} ({found.metric})"
    return replace(figure, notes=(*figure.notes, share))


def split_empty(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    """The rows to tabulate, and those beyond `ALWAYS` in which nothing was seen on either side."""
    empty = [
        row
        for row in rows
        if row.metric not in ALWAYS
        and row.baseline.text == MISSING
        and (row.implementation is None or row.implementation.text == MISSING)
    ]
    return [row for row in rows if row not in empty], empty


def delta_row(report: Report, model: str, test: str, implementation: str | None, metric: str) -> Row:
    """One metric of both sides by their comparison's definition; without one, each by its strictest."""
    title = metric_title(metric)
    comparison = comparison_of(report, model, test, implementation, metric) if implementation else None
    definition = comparison.definition if comparison else None
    sides = [report.baseline, *([implementation] if implementation else [])]
    found = [summary_of(report, model, test, side, metric, definition) for side in sides]
    figures = [cell_figure(report, model, test, side, summary) for side, summary in zip(sides, found, strict=True)]
    if len({figure.definition for figure in figures} - {None}) > 1:
        figures = [_named(figure) for figure in figures]
    if implementation is None:
        return Row(metric, title, figures[0])
    delta = delta_figure(comparison, metric)
    if delta.text == MISSING and MISSING in (figures[0].text, figures[1].text):
        delta = Figure(MISSING)
    return Row(metric, title, figures[0], figures[1], delta)


def other_figures(report: Report, model: str, test: str, runtime: str, shown: list[Row]) -> list[Summary]:
    """What a cell has by definitions that its rows don't show: the runtime's own figures, mostly."""
    is_baseline = runtime == report.baseline
    used = {
        (row.metric, figure.definition)
        for row in shown
        if (figure := row.baseline if is_baseline else row.implementation) is not None
    }
    return [
        summary
        for summary in summaries_of(report, model, test, runtime)
        if summary.centre is not None and (summary.metric, summary.definition) not in used
    ]


def rounds_of(trials: Sequence[Trial]) -> str:
    """`warm-up round 1 and rounds 2, 3`."""
    kinds = [("warm-up round", True), ("round", False)]
    named = []
    for word, warmup in kinds:
        rounds = list(dict.fromkeys(str(trial.round) for trial in trials if trial.warmup == warmup))
        if rounds:
            named.append(f"{word}{'s' if len(rounds) > 1 else ''} {', '.join(rounds)}")
    return " and ".join(named)


def _named(figure: Figure) -> Figure:
    if figure.definition is None:
        return figure
    return Figure(figure.text, (*figure.notes, f"by {figure.definition}"), figure.definition)


def _metric_order(metric: str) -> tuple[int, str]:
    order = list(METRICS)
    return (order.index(metric) if metric in METRICS else len(order), metric)
