"""Everything about a cell is found under its model, test and runtime, and views hold plain text."""

from collections.abc import Callable, Mapping

from parity.records import Report, Verdict
from parity.report.index import Index, worst
from parity.report.overview import overview

Build = Callable[..., Report]
OneVerdict = Callable[..., Verdict]


def test_cell_holds_what_the_report_holds_of_it_and_nothing_else(reports: Mapping[str, Report]) -> None:
    report = reports["failed"]
    cell = Index(report).cell("toy", "longer-generation", "beta")
    records = (*cell.summaries, *cell.comparisons.values(), *cell.verdicts, *cell.trials)
    assert {(r.model, r.test, r.runtime) for r in records} == {("toy", "longer-generation", "beta")}
    assert len(cell.trials) == 3
    assert len(cell.verdicts) == 4
    assert cell.not_run == report.not_run[0]


def test_cell_that_the_report_does_not_know_is_empty_and_says_that_nothing_ran(build_report: Build) -> None:
    cell = Index(build_report()).cell("toy", "no-such-test", "beta")
    assert (cell.title, cell.summaries, cell.trials, cell.not_run) == ("Beta", (), (), None)
    assert cell.absence() == "no trial was run"


def test_summary_is_by_the_definition_asked_for_then_by_the_strictest_with_a_value(build_report: Build) -> None:
    report = build_report({"alpha": {"gen_tps": 50.0}, "beta": {"gen_tps": "no stamps"}})
    [missing] = [s for s in report.summaries if (s.runtime, s.test) == ("beta", "simple-math")]
    looser = missing.model_copy(update={"definition": "two-budgets", "centre": 40.0, "reason": None})
    index = Index(report.model_copy(update={"summaries": (looser, *report.summaries)}))
    cell = index.cell("toy", "simple-math", "beta")
    assert [s.definition for s in cell.summaries] == ["token-stamps", "two-budgets"]
    assert cell.summary("gen_tps") == looser
    assert cell.summary("gen_tps", "token-stamps") == missing
    assert cell.summary("load_s") is None


def test_worst_verdict_stands_for_several_cells(verdict: OneVerdict) -> None:
    assert worst([]) is None
    assert worst([verdict("g", "NOT APPLICABLE"), verdict("g", "PASS")]) == "PASS"
    assert worst([verdict("g", "PASS"), verdict("g", "INCONCLUSIVE"), verdict("g", "FAIL")]) == "FAIL"


def test_view_holds_text_without_any_format(build_report: Build) -> None:
    title = "*al|pha* <b>`"
    view = overview(Index(build_report(titles={"alpha": title})))
    assert view.title == f"invented: parity with {title}"
    assert view.sections[0].tables[0].headers == ("Metric", title, "Beta", "Delta")
