"""From a report's index to what a run ends with: what each gate came to, all runtimes in one table, and what to do."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, islice

from parity.gates.figure import figure
from parity.reading.dictionary import METRICS
from parity.records import Comparison, RuntimeReport, Verdict
from parity.report.conditions import oddities
from parity.report.delta import ALWAYS, HEADLINE, MISSING, side_value, value_entry
from parity.report.diagnosis import causes_of
from parity.report.index import WORST_FIRST, Index, Workload, metric_title
from parity.report.overview import failures, not_run, notices
from parity.report.view import Beside, BriefRow, BriefTable, BriefView, FailedTrials, GateLine, Remark
from parity.units import format_ratio, shortened, shortened_front

NOT_COMPARABLE = "not comparable"

MOST_TESTS = 24
"""Tests of which there are rows: more have no room on a screen."""

_LONGEST_FINDING = 240
_MOST_FINDINGS = 4
_LONGEST_LINE = 120
_MOST_ADVICE = 2
_MOST_REMARKS = 4
_EVENT = re.compile(r'\{\s*"ev"\s*:')
"""How an event of a program begins, which is for parity to read."""


def brief(index: Index) -> BriefView:
    """The end of a run. What it leaves out is in the whole report."""
    report = index.report
    implementations = ran(index)
    whole = list(_rows(index, implementations))
    judged = tuple(dict.fromkeys(v.metric for v in report.verdicts if v.metric in METRICS and v.metric))
    return BriefView(
        notices=tuple(notices(report)),
        gates=tuple(_gates(index)),
        exit=f"Exit code {report.exit.code}: {report.exit.reason}",
        runtimes=tuple(runtime.title for runtime in (index.baseline, *implementations)),
        tables=tuple(tuple(_only(metrics, whole)) for metrics in _choices(judged)),
        more_tests=max(0, len(index.workloads) - MOST_TESTS),
        remarks=tuple(_remarks(index)),
    )


def _choices(judged: Sequence[str]) -> Iterator[list[str]]:
    """Metrics of the table, most first: a terminal takes the first choice that is short enough."""
    speaking = [metric for metric in ALWAYS if METRICS[metric].better is not None]
    for always in (speaking, HEADLINE, () if judged else ("gen_tps",)):
        yield [metric for metric in METRICS if metric in always or metric in judged]


def _gates(index: Index) -> Iterator[GateLine]:
    """A line for each gate and what it came to on some of its cells; the worst first. A gate that does not apply has
    none, unless it fell away."""
    verdicts = [v for v in index.report.verdicts if v.verdict != "NOT APPLICABLE" or v.fell_away]
    order = list(dict.fromkeys(v.gate for v in verdicts))
    verdicts.sort(key=lambda v: (WORST_FIRST.index(v.verdict), order.index(v.gate)))
    for (kind, _), found in groupby(verdicts, key=lambda v: (v.verdict, v.gate)):
        alike = list(found)
        name = f"{alike[0].gate}{'' if alike[0].required else ' (advice)'}"
        advice = list(_advice(index, alike))
        yield GateLine(
            verdict=kind,
            short=f"{name}{_asked(alike)}: {', '.join(_runtimes(index, alike))}{_on_tests(index, alike)}",
            text=f"{name}{_asked(alike)}: {'; '.join(_findings(index, alike))}",
            advice=tuple(advice[:_MOST_ADVICE]),
            more_advice=len(advice[_MOST_ADVICE:]),
        )


def _asked(verdicts: Sequence[Verdict]) -> str:
    """` (gen_tps at least 0.8×)`."""
    first = next((v for v in verdicts if v.bounds is not None), None)
    if first is None:
        return ""
    return f" ({first.metric}{' varies' if first.kind == 'consistency' else ''} {first.bounds})"


def _runtimes(index: Index, verdicts: Iterable[Verdict]) -> list[str]:
    return [index.runtime_title(name) for name in dict.fromkeys(v.runtime for v in verdicts)]


def _on_tests(index: Index, verdicts: Iterable[Verdict]) -> str:
    """On which tests, where the run has several."""
    tests = dict.fromkeys((v.model, v.test) for v in verdicts)
    if len(index.workloads) == 1:
        return ""
    if len(tests) == len(index.workloads):
        return " on both tests" if len(tests) == 2 else f" on all {len(tests)} tests"
    return f" on {', '.join(_few([index.test_title(*test) for test in tests]))}"


def _findings(index: Index, verdicts: Sequence[Verdict]) -> Iterator[str]:
    """`beta 0.9× [0.7, 1.1] on simple-math, …`: figures of each runtime together; other findings once for all cells."""
    valued = [v for v in verdicts if v.value is not None and v.bounds is not None]
    for runtime in dict.fromkeys(v.runtime for v in valued):
        figures = [
            f"{figure(v.kind, v.metric, v.value or 0.0, v.interval)}{_on_tests(index, [v])}"
            for v in valued
            if v.runtime == runtime
        ]
        yield f"{index.runtime_title(runtime)} {', '.join(_few(figures))}"
    others: dict[str, list[Verdict]] = {}
    for v in verdicts:
        if v not in valued:
            others.setdefault(v.finding, []).append(v)
    for finding, alike in list(others.items())[:_MOST_FINDINGS]:
        short = shortened(finding, _LONGEST_FINDING)
        yield f"{', '.join(_runtimes(index, alike))}{_on_tests(index, alike)}: {short}"
    if len(others) > _MOST_FINDINGS:
        yield f"and {len(others) - _MOST_FINDINGS} more findings"


def _few(figures: Sequence[str]) -> Iterator[str]:
    """The first ones, and how many more there are."""
    yield from figures[:_MOST_FINDINGS]
    if more := figures[_MOST_FINDINGS:]:
        yield f"and {len(more)} more"


def _advice(index: Index, verdicts: Sequence[Verdict]) -> Iterator[str]:
    """What would change the verdicts, each thing once, and of which cells where they don't share it."""
    cells: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.advice:
            cells.setdefault(verdict.advice, []).append(verdict)
    for advice, alike in cells.items():
        whose = f"{', '.join(_runtimes(index, alike))}{_on_tests(index, alike)}: "
        yield f"{whose if len(alike) < len(verdicts) else ''}{advice}"


def _rows(index: Index, implementations: Sequence[RuntimeReport]) -> Iterator[tuple[str, dict[str, BriefRow]]]:
    """The title of each test that may be shown, and metric → its row."""
    for workload in index.workloads[:MOST_TESTS]:
        rows = {metric: row_of(index, workload, metric, implementations) for metric in METRICS}
        yield workload.title, {metric: row for metric, row in rows.items() if row is not None}


def _only(metrics: Sequence[str], whole: Iterable[tuple[str, dict[str, BriefRow]]]) -> Iterator[BriefTable]:
    """One table for each test that has any of the metrics."""
    for title, rows in whole:
        if shown := tuple(rows[metric] for metric in metrics if metric in rows):
            yield BriefTable(title, shown)


def row_of(index: Index, workload: Workload, metric: str, implementations: Sequence[RuntimeReport]) -> BriefRow | None:
    """A metric of all runtimes; None where nobody has a value. A `*` marks a value by a different definition than the
    baseline's."""
    sides = [_beside(index, workload, metric, runtime.name) for runtime in implementations]
    base = index.pair(workload, None).baseline
    shown = value_entry(base, base.summary(metric, next((s.definition for s in sides if s.definition), None)))
    if shown.text == MISSING and all(side.value == MISSING for side in sides):
        return None
    other = [bool(side.definition and shown.definition and side.definition != shown.definition) for side in sides]
    marked = tuple(replace(s, value=f"{s.value} *") if odd else s for s, odd in zip(sides, other, strict=True))
    return BriefRow(metric_title(metric), shown.text, marked)


def _beside(index: Index, workload: Workload, metric: str, runtime: str) -> Beside:
    """The value of an implementation, and its ratio to the baseline's."""
    pair = index.pair(workload, runtime)
    assert pair.implementation is not None, "the pair is of an implementation"
    comparison = pair.implementation.comparisons.get(metric)
    found = pair.implementation.summary(metric, comparison.definition if comparison else None)
    entry = value_entry(pair.implementation, found, side_value(pair, pair.implementation, metric))
    return Beside(entry.text, _ratio(comparison, metric, missing=entry.text == MISSING), entry.definition)


def _ratio(comparison: Comparison | None, metric: str, *, missing: bool) -> str:
    if comparison is None or missing or METRICS[metric].better is None:
        return ""
    if not comparison.comparable:
        return NOT_COMPARABLE
    if comparison.ratio is None:
        return MISSING
    interval = comparison.interval
    return format_ratio(comparison.ratio, (interval.low, interval.high) if interval else None)


def ran(index: Index) -> list[RuntimeReport]:
    """The implementations that ran at all."""
    names = {trial.runtime for trial in index.report.trials}
    return [runtime for runtime in index.implementations if runtime.name in names]


def _remarks(index: Index) -> Iterator[Remark]:
    """What went wrong or was odd, each kind of thing at most a few times."""
    judged = {v.runtime for v in index.report.verdicts if v.verdict == "NOT RUN"}
    failed = [Remark("failed", f"{f.kind}: {f.text}", detail=last_line(f)) for f in failures(index)]
    lacking = [Remark("not run", p.text, p.remedy and f"to fix it:\n{p.remedy}") for p in not_run(index, but=judged)]
    odd = [Remark("warning", text, advice) for text, advice in oddities(index)]
    odd += [Remark("warning", warning) for warning in index.report.warnings]
    for model in index.report.models:
        if model.synthetic:
            yield Remark("note", f"{model.title} has synthetic weights: its speed means something, its text does not")
    yield from _differences(index.report.verdicts)
    yield from _causes(index)
    for kind in (failed, lacking, odd):
        yield from kind[:_MOST_REMARKS]
        if more := kind[_MOST_REMARKS:]:
            yield Remark(kind[0].label, f"{len(more)} more in the whole report")


def _differences(verdicts: Sequence[Verdict]) -> Iterator[Remark]:
    """The differences that the config declares, and the facts that may differ, of verdicts that rest on figures."""
    judged = [v for v in verdicts if v.verdict in ("PASS", "FAIL", "INCONCLUSIVE")]
    # The reasons are in the whole report.
    declared = dict.fromkeys(said.partition(" (")[0] for v in judged for said in v.declared)
    unproven = _with_sides(fact for v in judged for fact in v.unproven)
    for word, found in (("declared", declared), ("unproven", unproven)):
        if found:
            yield Remark("note", f"{word}: {', '.join(_few(list(found)))}")


def _with_sides(facts: Iterable[str]) -> list[str]:
    """`threads (base, one)` and `threads (base, two)` as one: `threads (base, one, two)`."""
    sides: dict[str, dict[str, None]] = {}
    for fact in facts:
        title, _, names = fact.removesuffix(")").partition(" (")
        sides.setdefault(title, {}).update(dict.fromkeys(names.split(", ") if names else ()))
    return [f"{title} ({', '.join(names)})" if names else title for title, names in sides.items()]


def _causes(index: Index) -> Iterator[Remark]:
    """What accounts for a slowdown by itself that a gate is about: of each runtime the first such finding that says
    more than the phase, and the tests that show it."""
    for runtime in index.implementations:
        tests: dict[str, list[str]] = {}
        for workload in index.workloads:
            diagnosis = index.diagnosis(workload, runtime.name)
            found = causes_of(index.report, diagnosis) if diagnosis is not None else iter(())
            for finding in islice(found, 1):
                tests.setdefault(finding.sentence, []).append(workload.title)
        for sentence, titles in list(tests.items())[:1]:
            on = f" on {', '.join(_few(titles))}" if len(index.workloads) > 1 else ""
            yield Remark("cause", f"{runtime.title}{on}: {sentence}")


def last_line(failed: FailedTrials) -> str | None:
    """The last line of what a process printed that says something to a person, and more than its failure does."""
    lines = (line.strip() for line in reversed(failed.tail))
    said = next((line for line in lines if line and not _EVENT.match(line)), None)
    if said is None or said in failed.text or (said.partition(": ")[2] or said) in failed.text:
        return None
    return f"its last line: {shortened_front(said, _LONGEST_LINE)}"
