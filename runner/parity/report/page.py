"""The Markdown page kept beside a project's code, an implementation against its baseline in fixed form."""

from collections.abc import Iterable
from dataclasses import replace

from parity.errors import ParityError
from parity.reading.dictionary import METRICS
from parity.records import ModelFacts, Report, RuntimeReport, TestSpec
from parity.report.analysis import (
    CROSSED,
    HEADINGS,
    TICKED,
    UNTICKED,
    analysis_lines,
    as_written,
    branch_of,
    gates_of,
    said,
)
from parity.report.footing import definitions, footing
from parity.report.layout import markdown_table
from parity.report.markdown import code_span, inline
from parity.report.rows import (
    HEADLINE,
    MISSING,
    Footnotes,
    Row,
    absence,
    baseline_of,
    cells_of,
    comparison_of,
    delta_row,
    implementations_of,
    remarks,
    summary_of,
    with_share,
    worst,
)
from parity.units import format_words

_LONGEST_PROMPT = 200
_TEST_LINES = {
    "Model Load": "load_s",
    "First Token Latency": "ttft_s",
    "Generation Speed": "gen_tps",
    "Total Time": "total_s",
}


def render_page(report: Report) -> str:
    """The page of the implementation that `report.page` names, or of the first one.

    Raises:
        ParityError: there is no such runtime beside the baseline.
    """
    implementation = _implementation(report)
    blocks = [
        *_head(report, implementation),
        *_headline(report, implementation),
        *_results(report, implementation),
        *_analysis(report, implementation),
        *_criteria(report, implementation),
    ]
    return "\n\n".join(blocks) + "\n"


def _implementation(report: Report) -> RuntimeReport:
    named = report.page.implementation
    for runtime in implementations_of(report):
        if named is None or runtime.name == named:
            return runtime
    wanted = f"named {named}" if named else "at all"
    raise ParityError(f"the page compares an implementation with the baseline, and the run has none {wanted}")


def _head(report: Report, implementation: RuntimeReport) -> list[str]:
    page = report.page
    models = ", ".join(inline(model.title) for model in report.models)
    title = as_written(page.title) if page.title else f"{inline(implementation.title)} {models} Performance"
    features = code_span(page.features.strip("` \n")) if page.features else MISSING
    facts = [
        f"**Date**: {report.started}",
        f"**Model**: {', '.join(_with_origin(model) for model in report.models)}",
        f"**Features**: {features}",
        f"**Architecture**: {as_written(page.architecture) if page.architecture else MISSING}",
    ]
    interrupted = ["The run was interrupted: the figures are those measured until then."] * report.interrupted
    return [f"# {title}", "\n".join(facts), _how_to_read(report, implementation), *interrupted]


def _with_origin(model: ModelFacts) -> str:
    return f"{inline(model.title)}{' (synthetic weights)' if model.synthetic else ''}"


def _how_to_read(report: Report, implementation: RuntimeReport) -> str:
    versions = " and ".join(
        f"{inline(runtime.title)}{f' ({inline(runtime.version)})' if runtime.version else ''}"
        for runtime in (implementation, baseline_of(report))
    )
    confidence = sorted({c.interval.confidence for c in report.comparisons if c.interval})
    level = "".join(f"{value:.0%} " for value in confidence[:1]) if len(confidence) == 1 else ""
    return (
        f"A Delta reads: difference (ratio [{level}interval of the ratio]), the implementation minus, and "
        f"over, the baseline. Both columns come from this run: {versions}."
    )


def _headline(report: Report, implementation: RuntimeReport) -> list[str]:
    baseline = baseline_of(report)
    blocks = [f"## Comparison to {inline(baseline.title)} Baseline"]
    headers = ("Metric", f"{baseline.title} Baseline", implementation.title, "Delta")
    for model in report.models:
        test = _headline_test(report, model)
        footnotes = Footnotes()
        grid = []
        rows = [_headline_row(report, model.name, test, implementation.name, metric) for metric in HEADLINE]
        for row in rows:
            figures = zip((row.baseline, row.implementation, row.delta), headers[1:], strict=True)
            marked = [footnotes.mark(figure, column, row.title) for figure, column in figures if figure]
            grid.append((row.title, *marked))
        if len(report.models) > 1:
            blocks.append(f"**{inline(model.title)}**")
        blocks.append(markdown_table(headers, grid))
        footed = footing(report, model.name, test, implementation.name)
        blocks.append(_bullets(map(inline, [*footnotes.lines(len(grid)), *definitions(rows), *footed])))
    return blocks


def _headline_row(report: Report, model: str, test: str, implementation: str, metric: str) -> Row:
    """The template has no row for the share of a metric, so that it is a note on the metric's own."""
    row = delta_row(report, model, test, implementation, metric)
    assert row.implementation is not None
    return replace(
        row,
        baseline=with_share(row.baseline, report, model, test, report.baseline, metric),
        implementation=with_share(row.implementation, report, model, test, implementation, metric),
    )


def _headline_test(report: Report, model: ModelFacts) -> str:
    """The test that the page names, or the first one of this model."""
    tests = [test.name for of, test in cells_of(report) if of == model]
    named = report.page.test
    return named if named in tests else next(iter(tests), report.tests[0].name)


def _results(report: Report, implementation: RuntimeReport) -> list[str]:
    blocks = ["## Test Results"]
    for number, (model, test) in enumerate(cells_of(report), start=1):
        where = f" ({inline(model.title)})" if len(report.models) > 1 else ""
        heading = f"### Test {number}: {inline(test.title)}{where}"
        blocks.append(f"{heading}\n{_result(report, implementation, model, test)}")
    return blocks


def _result(report: Report, implementation: RuntimeReport, model: ModelFacts, test: TestSpec) -> str:
    asked = test.query or test.prompt
    prompt = asked if len(asked) <= _LONGEST_PROMPT else asked[: _LONGEST_PROMPT - 1] + "…"
    figures = [
        f"{label}: {inline(_figure(report, implementation, model, test, metric))}"
        for label, metric in _TEST_LINES.items()
    ]
    consistency = inline(_consistency(report, implementation, model, test))
    return "\n".join(
        [
            f'**Prompt**: "{inline(prompt)}"',
            f"**Max Tokens**: {test.max_tokens}",
            _bullets([*figures, f"Consistency: {consistency}"]),
        ]
    )


def _figure(report: Report, implementation: RuntimeReport, model: ModelFacts, test: TestSpec, metric: str) -> str:
    """The value as the comparison takes it, with its definition where that is not the strictest."""
    comparison = comparison_of(report, model.name, test.name, implementation.name, metric)
    definition = comparison.definition if comparison else None
    summary = summary_of(report, model.name, test.name, implementation.name, metric, definition)
    if summary is None or summary.centre is None:
        why = summary.reason if summary else None
        return f"{MISSING} ({why or absence(report, model.name, test.name, implementation.name)})"
    strictest = METRICS[metric].definitions[0].id
    said = [f"by {summary.definition}"] if summary.definition != strictest else []
    said += remarks(summary)
    value = format_words(summary.centre, summary.unit)
    return f"{value} ({'; '.join(said)})" if said else value


def _consistency(report: Report, implementation: RuntimeReport, model: ModelFacts, test: TestSpec) -> str:
    verdicts = [
        verdict
        for verdict in report.verdicts
        if verdict.kind == "consistency"
        and (verdict.model, verdict.test, verdict.runtime) == (model.name, test.name, implementation.name)
    ]
    verdict = worst(verdicts)
    if verdict is None:
        return f"{MISSING} (no consistency gate)"
    speaking = [entry.sentence for entry in verdicts if entry.verdict == verdict]
    return verdict if verdict == "PASS" else f"{verdict} ({'; '.join(speaking)})"


def _analysis(report: Report, implementation: RuntimeReport) -> list[str]:
    heading = f"### {HEADINGS[branch_of(report, implementation)]}"
    return ["## Analysis", f"{heading}\n{_bullets(analysis_lines(report, implementation))}"]


def _criteria(report: Report, implementation: RuntimeReport) -> list[str]:
    """One line a gate over its cells: ticked only where all that apply passed."""
    lines = []
    for gate, verdicts in gates_of(report, implementation).items():
        verdict = worst(verdicts)
        assert verdict is not None
        tick = {"PASS": TICKED, "FAIL": CROSSED}.get(verdict, UNTICKED)
        advice = "" if any(entry.required for entry in verdicts) else " (advice)"
        lines.append(f"{tick} {inline(f'{gate}{advice}: {verdict}: {said(report, verdicts)}')}")
    return [f"## Success Criteria\n{_bullets(lines or [f'{UNTICKED} no gate was judged'])}"]


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
