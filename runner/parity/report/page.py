"""From a report's index to the project page, kept beside a project's code: an implementation against its baseline."""

from collections.abc import Iterator

from parity.errors import ParityError
from parity.reading.dictionary import METRICS, only_a_bound
from parity.records import ModelFacts, RuntimeReport
from parity.report import how
from parity.report.analysis import HEADINGS, analysis_lines, as_written, branch_of, criteria
from parity.report.delta import HEADLINE, MISSING, headline_row, tabulated
from parity.report.identity import declarations, delta_heading, unproven
from parity.report.index import CellResults, Index, Workload, judges_consistency, worst
from parity.report.overview import explain_delta, notices
from parity.report.view import Labelled, PageTest, PageView, Table
from parity.units import format_words, shortened

_LONGEST_PROMPT = 200
_TEST_LINES = {
    "Model Load": "load_s",
    "First Token Latency": "ttft_s",
    "Generation Speed": "gen_tps",
    "Total Time": "total_s",
}


def page_view(index: Index) -> PageView:
    """The project page of the implementation that `report.page` names, or of the first one.

    Raises:
        ParityError: there is no such runtime beside the baseline.
    """
    report, page = index.report, index.report.page
    implementation = _implementation(index)
    models = ", ".join(model.title for model in report.models)
    return PageView(
        title=as_written(page.title) if page.title else f"{implementation.title} {models} Performance",
        date=report.started,
        models=", ".join(_with_origin(model) for model in report.models),
        features=page.features.strip("` \n") if page.features else None,
        architecture=as_written(page.architecture) if page.architecture else None,
        how_to_read=_how_to_read(index, implementation),
        notices=tuple(notices(report)),
        baseline=index.baseline.title,
        headline=tuple(_headline(index, implementation)),
        tests=tuple(_tests(index, implementation)),
        branch=HEADINGS[branch_of(index, implementation)],
        analysis=tuple(analysis_lines(index, implementation)),
        criteria=tuple(criteria(index, implementation)),
    )


def _implementation(index: Index) -> RuntimeReport:
    named = index.report.page.implementation
    for runtime in index.implementations:
        if named is None or runtime.name == named:
            return runtime
    wanted = f"named {named}" if named else "at all"
    raise ParityError(f"the project page compares an implementation with the baseline, and the run has none {wanted}")


def _with_origin(model: ModelFacts) -> str:
    return f"{model.title}{' (synthetic weights)' if model.synthetic else ''}"


def _how_to_read(index: Index, implementation: RuntimeReport) -> str:
    versions = " and ".join(
        f"{runtime.title}{f' ({runtime.version})' if runtime.version else ''}"
        for runtime in (implementation, index.baseline)
    )
    return f"{explain_delta(index, 'baseline')} Both columns were measured in this run: {versions}."


def _headline(index: Index, implementation: RuntimeReport) -> Iterator[Table]:
    """A table a model, on the test that the page names or the first one of this model."""
    titles = ("Metric", f"{index.baseline.title} Baseline", implementation.title)
    for model in index.report.models:
        workloads = [workload for workload in index.workloads if workload.model == model]
        named = [workload for workload in workloads if workload.test.name == index.report.page.test]
        for workload in (named or workloads)[:1]:
            pair = index.pair(workload, implementation.name)
            rows = [headline_row(pair, metric) for metric in HEADLINE]
            notes = [*how.prompts(pair), *declarations(pair), *unproven(pair)]
            notes += [*how.not_known(pair), *how.definitions(rows)]
            yield tabulated(
                rows, (*titles, delta_heading(pair, model)), notes, model.title if index.several_models else ""
            )


def _tests(index: Index, implementation: RuntimeReport) -> Iterator[PageTest]:
    for number, workload in enumerate(index.workloads, start=1):
        test = workload.test
        cell = index.cell(workload.model.name, test.name, implementation.name)
        yield PageTest(
            heading=f"Test {number}: {_title(index, workload)}",
            prompt=shortened(test.query or test.prompt, _LONGEST_PROMPT),
            max_tokens=test.max_tokens,
            figures=(
                *(Labelled(label, _figure(cell, metric)) for label, metric in _TEST_LINES.items()),
                Labelled("Consistency", _consistency(cell)),
            ),
        )


def _title(index: Index, workload: Workload) -> str:
    return f"{workload.test.title} ({workload.model.title})" if index.several_models else workload.test.title


def _figure(cell: CellResults, metric: str) -> str:
    """The value as the comparison takes it, with its definition where that is not the strictest."""
    summary = cell.compared(metric)
    if summary is None or summary.centre is None:
        return f"{MISSING} ({cell.absence(summary)})"
    comparison = cell.comparisons.get(metric)
    centre = comparison.value if comparison is not None and comparison.value is not None else summary.centre
    strictest = METRICS[metric].definitions[0].id
    said = [f"definition: {summary.definition}"] if summary.definition != strictest else []
    said += [summary.note] if summary.note else []
    bound = {"upper": "at most ", "lower": "at least "}.get(only_a_bound(metric, summary.definition) or "", "")
    value = bound + format_words(centre, summary.unit)
    return f"{value} ({'; '.join(said)})" if said else value


def _consistency(cell: CellResults) -> str:
    verdicts = [verdict for verdict in cell.verdicts if judges_consistency(verdict)]
    verdict = worst(verdicts)
    if verdict is None:
        return f"{MISSING} (no consistency gate)"
    speaking = [entry.sentence for entry in verdicts if entry.verdict == verdict]
    return verdict if verdict == "PASS" else f"{verdict} ({'; '.join(speaking)})"
