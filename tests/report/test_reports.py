"""Nothing that was measured or judged is lost in any format."""

import json
import re
from collections.abc import Callable, Mapping
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parity.errors import ParityError
from parity.judging.rounds import rounds_of
from parity.reading.dictionary import METRICS, strictness
from parity.records import SCHEMA_VERSION, Failure, PageSpec, Report, Summary, TestSpec, Trial, Verdict
from parity.redaction import REDACTED, redact_json
from parity.report import FORMATS, json_pieces, render_page, report_json, terminal_table
from parity.report.delta import HEADLINE
from parity.units import format_value, format_words

Build = Callable[..., Report]
OneVerdict = Callable[..., Verdict]

TEXT = ("table", "markdown")


def squeezed(text: str) -> str:
    """Text without the white space at which lines may have been wrapped, and without Markdown's escapes."""
    return re.sub(r"\s+|\\", "", text)


def test_terminal_text_holds_eighty_columns_but_for_commands(scenario: tuple[str, Report]) -> None:
    _, report = scenario
    lines = terminal_table(report, width=80).splitlines()
    assert [line for line in lines if len(line) > 80 and not line.startswith("    To fix: ")] == []


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_width_is_kept_with_long_names(build_report: Build, width: int) -> None:
    report = build_report(titles={"alpha": "a-runtime-with-a-very-long-name", "beta": "another_one_that_is_no_shorter"})
    text = terminal_table(report, width=width)
    assert max(map(len, text.splitlines())) <= width


def test_remedy_is_on_one_line(reports: Mapping[str, Report]) -> None:
    report = reports["three-runtimes"]
    remedy = next(runtime.remedy for runtime in report.runtimes if runtime.remedy)
    assert f"\n    To fix: {remedy}\n" in terminal_table(report, width=80)


def test_unbounded_width_wraps_nothing(reports: Mapping[str, Report]) -> None:
    report = reports["failed"]
    text = terminal_table(report, width=None)
    verdicts = text.split("\n\n")[1].splitlines()
    assert len(verdicts) == len(report.verdicts)
    assert "  | " + "x" * 200 in text


FIGURE = st.one_of(
    st.floats(min_value=1e-6, max_value=1e5),
    st.text(alphabet="abc |`*_\\-", min_size=3).map(lambda text: f"because {text.strip()}"),
)
CELL = st.fixed_dictionaries({}, optional=dict.fromkeys(METRICS, FIGURE))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(alpha=CELL, beta=CELL, gamma=CELL)
def test_every_value_and_reason_is_in_every_text(
    build_report: Build, alpha: dict[str, float | str], beta: dict[str, float | str], gamma: dict[str, float | str]
) -> None:
    report = build_report({"alpha": alpha, "beta": beta, "gamma": gamma})
    for kind in TEXT:
        text = squeezed(FORMATS[kind](report))
        for summary in report.summaries:
            said = summary.reason if summary.centre is None else format_value(summary.centre, summary.unit)
            assert squeezed(said or "") in text
            assert squeezed(METRICS[summary.metric].title) in text
        assert all(squeezed(METRICS[metric].title) in text for metric in HEADLINE)
    page = squeezed(render_page(report))
    assert all(squeezed(line_of(report, metric)) in page for metric in ("load_s", "ttft_s", "gen_tps", "total_s"))


def line_of(report: Report, metric: str) -> str:
    """The value or reason that the page's test section has for the implementation."""
    found = [s for s in report.summaries if (s.runtime, s.metric) == ("beta", metric)]
    if not found:
        return "—"
    centre = found[0].centre
    return f"— ({found[0].reason}" if centre is None else format_words(centre, found[0].unit)


def test_every_verdict_is_in_every_format(scenario: tuple[str, Report]) -> None:
    _, report = scenario
    for kind, render in FORMATS.items():
        text = squeezed(render(report))
        for verdict in report.verdicts:
            if kind == "page" and verdict.runtime != "beta":
                continue
            assert squeezed(verdict.verdict) in text
            assert squeezed(verdict.gate) in text
            assert squeezed(verdict.sentence) in text


def test_verdicts_worst_first_and_the_exit_code_open_the_report_and_the_exit_code_closes_it(
    reports: Mapping[str, Report],
) -> None:
    for kind in TEXT:
        _, verdicts, code, *_, last = FORMATS[kind](reports["failed"]).rstrip("\n").split("\n\n")
        kinds = re.findall(r"^(?:- \*\*)?([A-Z ]+[A-Z])", verdicts, re.MULTILINE)
        assert kinds == ["FAIL"] * 2 + ["NOT RUN"] * 6
        assert code == last == "Exit code 1: see the verdicts"


def test_failure_is_reported_with_class_message_and_last_lines(reports: Mapping[str, Report]) -> None:
    for kind in TEXT:
        text = FORMATS[kind](reports["failed"])
        assert "crash:SIGSEGV" in text
        assert squeezed("the process died of SIGSEGV 0.3 s after its spawn") in squeezed(text)
        assert "panic: index out of range" in text
        assert "\x1b" not in text
        assert "rounds 1, 2, 3" in text


def test_trials_are_named_by_their_rounds(build_report: Build) -> None:
    trials = [t for t in build_report().trials if (t.runtime, t.test) == ("beta", "simple-math")]
    assert rounds_of(trials) == "rounds 1, 2, 3"
    assert rounds_of([*trials, *trials]) == "rounds 1, 2, 3"
    warmed = [trial.model_copy(update={"warmup": trial.round == 1}) for trial in trials]
    assert rounds_of(warmed) == "warm-up round 1 and rounds 2, 3"


def test_figure_by_a_further_definition_is_shown_beside_the_table(build_report: Build) -> None:
    extra = Summary(
        model="toy",
        test="simple-math",
        runtime="beta",
        metric="gen_tps",
        unit="token/s",
        definition="runtime-report:eval",
        provenance="reported",
        values=(88.5,),
        centre=88.5,
    )
    for kind in TEXT:
        text = FORMATS[kind](build_report(extra=[extra]))
        assert "Also Beta, Token Generation: 88.50 t/s (definition: runtime-report:eval)" in text


def test_sides_measured_by_different_definitions_are_named_and_not_divided(build_report: Build) -> None:
    report = build_report(
        definitions={("beta", "gen_tps"): "runtime-report:eval"}, not_comparable="no definition in common"
    )
    page = squeezed(render_page(report))
    assert squeezed("NOT COMPARABLE") in page
    assert squeezed("Alpha Baseline, Token Generation: uses the definition token-stamps") in page
    assert squeezed("Beta, Token Generation: uses the definition runtime-report:eval") in page
    assert squeezed("Generation Speed: 90.02 tokens/s (definition: runtime-report:eval)") in page


def test_ratio_without_interval_or_difference_invents_neither(build_report: Build) -> None:
    report = build_report()
    bare = [
        c.model_copy(update={"interval": None, "difference": None, "reason": "one round only"})
        if c.metric == "gen_tps"
        else c
        for c in report.comparisons
    ]
    page = render_page(report.model_copy(update={"comparisons": tuple(bare)}))
    assert "| — (0.96×, no interval) [1]" in page
    assert "- [1] Delta, Token Generation: one round only" in page


def test_runtime_that_is_not_set_has_its_reason_and_no_table_of_dashes(build_report: Build) -> None:
    report = build_report(
        {"alpha": {"load_s": 1.0}, "beta": {}}, runtimes={"beta": {"status": "not set", "reason": "BETA is empty"}}
    )
    text = terminal_table(report, width=None)
    assert "; BETA is empty" in text
    assert "1.00 s" in text
    assert "Delta" not in text


def test_baseline_alone_has_a_table_without_delta_and_no_page(build_report: Build) -> None:
    report = build_report({"alpha": {"load_s": 1.5}}, verdicts=[])
    assert "Metric" in (text := FORMATS["table"](report))
    assert "Delta" not in text
    assert "1.50 s" in text
    with pytest.raises(ParityError, match="none at all"):
        render_page(report)


def test_page_of_a_runtime_that_is_not_there_is_refused(build_report: Build) -> None:
    with pytest.raises(ParityError, match="none named omega"):
        render_page(build_report(page=PageSpec(implementation="omega")))


def test_page_is_of_the_implementation_and_test_that_it_names(build_report: Build) -> None:
    cells = {"alpha": {"load_s": 1.0}, "beta": {"load_s": 2.0}, "gamma": {"load_s": 3.0}}
    report = build_report(cells, page=PageSpec(implementation="gamma", test="longer-generation"), verdicts=[])
    slower = [
        s.model_copy(update={"centre": 9.0}) if (s.test, s.runtime) == ("longer-generation", "gamma") else s
        for s in report.summaries
    ]
    page = render_page(report.model_copy(update={"summaries": tuple(slower)}))
    headline = page.partition("## Test Results")[0]
    assert "9.00 s" in headline
    assert "Beta" not in page
    assert page.startswith("# Gamma example/Toy-1M-GGUF (Q8_0) Performance\n")


def test_page_has_the_owners_lines_in_the_owners_order(reports: Mapping[str, Report]) -> None:
    skeleton = [
        "# ",
        "",
        "**Date**: ",
        "**Model**: ",
        "**Features**: `",
        "**Architecture**: ",
        "",
        "A Delta is the difference (implementation − baseline), then the ratio ",
        "",
        "## Comparison to Alpha Baseline",
        "",
        "| Metric ",
        "|-",
        "| Model Load ",
        "| Prompt Processing ",
        "| Token Generation ",
        "",
        "- Definitions: ",
        "",
        "## Test Results",
        "",
        "### Test 1: Simple Math",
        '**Prompt**: "What is 2+2?"',
        "**Max Tokens**: 50",
        "- Model Load: ",
        "- First Token Latency: ",
        "- Generation Speed: ",
        "- Total Time: ",
        "- Consistency: PASS",
        "",
        "### Test 2: Longer Generation",
    ]
    lines = render_page(reports["matching"]).splitlines()
    for line, start in zip(lines, skeleton, strict=False):
        assert line.startswith(start) if start else line == ""
    headings = [line for line in lines if line.startswith("#")]
    assert headings[-3:] == ["## Analysis", "### If Matching Baseline (EXPECTED)", "## Success Criteria"]


def test_prompts_and_titles_with_markup_leave_the_page_whole(build_report: Build) -> None:
    tests = (
        TestSpec(name="odd", title="Odd | title\n# heading", prompt="line one\n## two `| three", max_tokens=3),
        TestSpec(name="long", title="Long", prompt="word " * 1000, max_tokens=3),
    )
    report = build_report(tests=tests, titles={"alpha": "al|pha`", "beta": "be\nta"}, verdicts=[])
    page = render_page(report)
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert len(rows) == 5
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 5 for row in rows)
    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        "## Comparison to al|pha\\` Baseline",
        "## Test Results",
        "## Analysis",
        "## Success Criteria",
    ]
    assert max(map(len, page.splitlines())) < 1000


def test_several_models_have_a_headline_and_sections_each(build_report: Build) -> None:
    report = build_report()
    second = report.models[0].model_copy(update={"name": "toy-2", "title": "Toy 2"})
    summaries = [s.model_copy(update={"model": "toy-2"}) for s in report.summaries if s.test == "longer-generation"]
    both = report.model_copy(update={"models": (*report.models, second), "summaries": (*report.summaries, *summaries)})
    page = render_page(both)
    assert page.count("| Model Load ") == 2
    assert "### Test 3: Longer Generation (Toy 2)" in page
    assert "### Test 4" not in page
    assert "200 tokens · Toy 2" in FORMATS["table"](both)


def test_json_is_the_same_for_the_same_report_and_reads_back(scenario: tuple[str, Report]) -> None:
    _, report = scenario
    text = report_json(report)
    again = Report.model_validate_json(text)
    assert again == report
    assert report_json(again) == text == report.model_dump_json(indent=2) + "\n"
    assert json.loads(text)["schema_version"] == SCHEMA_VERSION


@pytest.mark.parametrize("secret", ['so\n"hidden"', "20390001"])
def test_json_in_pieces_leaves_out_what_is_hidden_and_stays_json(build_report: Build, secret: str) -> None:
    report = build_report()
    [first, *others] = report.runtimes
    told = report.model_copy(
        update={
            "machine": {**report.machine, "note": f"the key is {secret}"},
            "runtimes": (first.model_copy(update={"settings": {"key": secret, "kept": True}}), *others),
        }
    )
    text = "".join(json_pieces(told, partial(redact_json, secrets={secret})))
    found = Report.model_validate_json(text)
    assert (found.machine["note"], found.runtimes[0].settings) == (
        f"the key is {REDACTED}",
        {"key": REDACTED, "kept": True},
    )
    hidden = {"machine": told.machine, "runtimes": told.runtimes}
    assert found.model_copy(update=hidden) == told


def test_json_keeps_generated_text_of_any_script(build_report: Build) -> None:
    trial = Trial(
        file="0001.jsonl",
        model="toy",
        test="simple-math",
        runtime="beta",
        round=1,
        warmup=False,
        text="π ≠ 3 \u2028 \x00 🦀",
    )
    report = build_report(trials=(trial,))
    assert Report.model_validate_json(report_json(report)).trials == (trial,)


def test_synthetic_weights_are_named_in_every_text(reports: Mapping[str, Report]) -> None:
    [model] = reports["matching"].models
    made_up = reports["matching"].model_copy(update={"models": (model.model_copy(update={"synthetic": True}),)})
    for render in FORMATS.values():
        assert squeezed(render(made_up)) != squeezed(render(reports["matching"]))
    assert f"{model.title}: synthetic weights, llama, " in terminal_table(made_up, width=None)
    assert f"{model.title}: synthetic weights, llama, " in FORMATS["markdown"](made_up)
    assert f"**Model**: {model.title} (synthetic weights)\n" in render_page(made_up)


def test_interrupted_run_says_so_in_every_text(build_report: Build) -> None:
    report = build_report(interrupted=True)
    for kind in (*TEXT, "page"):
        assert "The run was interrupted" in FORMATS[kind](report)


def test_dictionary_ranks_a_runtimes_own_definition_last() -> None:
    assert strictness("gen_tps", "token-stamps") == 0
    assert strictness("gen_tps", "runtime-report:eval") > strictness("gen_tps", "token-stamps")
    assert strictness("unheard_of", "x") == 0


def test_remedy_is_named_once_and_never_as_a_shell_prompt(reports: Mapping[str, Report]) -> None:
    report = reports["three-runtimes"]
    [remedy] = [runtime.remedy for runtime in report.runtimes if runtime.remedy]
    for kind in TEXT:
        text = FORMATS[kind](report)
        assert text.count(f"To fix: {remedy}") == 1
        assert "$ " not in text


def test_remedy_of_a_runtime_that_is_not_set_stands_beside_it(build_report: Build) -> None:
    entry = {"status": "not set", "reason": "BETA is empty", "remedy": "set BETA to a folder"}
    report = build_report({"alpha": {"load_s": 1.0}, "beta": {}}, runtimes={"beta": entry})
    for kind in TEXT:
        runtimes = FORMATS[kind](report).partition("Runtimes")[2]
        assert "To fix: set BETA to a folder" in runtimes


def test_cells_that_lack_trials_for_one_reason_are_one_line(reports: Mapping[str, Report]) -> None:
    text = FORMATS["markdown"](reports["three-runtimes"])
    [line] = [line for line in text.splitlines() if "trials ran on each" in line]
    assert line.startswith(
        "- Omega on simple-math, longer-generation: 0 of 4 trials ran on each: unavailable: no module named gamma"
    )


def test_cell_without_trials_has_its_reason_instead_of_a_table_of_dashes(reports: Mapping[str, Report]) -> None:
    for kind in TEXT:
        text = FORMATS[kind](reports["three-runtimes"])
        assert text.count("Omega: 0 of 4 trials ran: unavailable: no module named gamma") == len(
            reports["three-runtimes"].tests
        )
        assert "—" not in text


def test_baseline_has_its_table_where_no_implementation_ran(build_report: Build) -> None:
    entry = {"status": "unavailable", "reason": "not installed"}
    report = build_report({"alpha": {"load_s": 1.5}, "beta": {"load_s": "no trial ran"}}, runtimes={"beta": entry})
    for kind in TEXT:
        text = FORMATS[kind](report)
        assert "1.50 s" in text
        assert "Beta: 0 of 4 trials ran: unavailable: not installed" in text


def test_cell_that_was_given_up_says_how_many_trials_ran(reports: Mapping[str, Report]) -> None:
    for kind in TEXT:
        text = squeezed(FORMATS[kind](reports["failed"]))
        assert squeezed("Beta on longer-generation: 3 of 12 trials ran: given up: its first 3 trials failed") in text


def test_tail_of_a_failed_trial_is_wrapped_and_not_cut(build_report: Build) -> None:
    line = "2031-01-02T03:04:05.678901Z ERROR program::a::long::module::path::that::fills::the::line: no such file"
    failure = Failure(kind="exit:1", message="it exited with 1", tail=(line,))
    text = terminal_table(build_report(failures={"beta": failure}), width=80)
    assert "no such file" in text
    assert squeezed(line) in squeezed(text.replace("  |   ", ""))


@pytest.mark.parametrize("kind", TEXT)
def test_what_a_hanging_trial_was_at_is_shown_below_its_failure(build_report: Build, kind: str) -> None:
    state = ("process 7, 2 threads: /bin/engine", "engine: sleeping in futex_do_wait (×2)")
    failure = Failure(kind="stall", message="no output and no CPU progress", tail=("loading",), state=state)
    text = squeezed(FORMATS[kind](build_report(failures={"beta": failure})))
    assert squeezed(state[0]) in text
    assert squeezed(state[1]) in text


def test_settings_that_differ_come_first_and_the_rest_is_counted_on_the_terminal(build_report: Build) -> None:
    shared = {"mmap": False, "num_threads": 2, "sampler": "greedy"}
    settings = {"alpha": {"settings": {**shared, "kernel": "a"}}, "beta": {"settings": {**shared, "kernel": "b"}}}
    report = build_report(runtimes=settings)
    assert "kernel b, num_threads 2, 2 more settings in report.md" in terminal_table(report, width=None)
    assert "kernel b, num_threads 2, mmap off, sampler greedy" in FORMATS["markdown"](report)


def test_a_row_shows_the_values_that_its_delta_is_of(build_report: Build) -> None:
    report = build_report({"alpha": {"gen_tps": 200.10}, "beta": {"gen_tps": 200.0}})
    comparisons = tuple(
        c.model_copy(update={"value": 200.0, "baseline_value": 200.0, "difference": 0.0, "ratio": 1.0})
        for c in report.comparisons
    )
    text = squeezed(terminal_table(report.model_copy(update={"comparisons": comparisons}), width=None))
    assert squeezed("Token Generation 200.00 t/s [3] 200.00 t/s +0.00 t/s (1.00×") in text
    assert squeezed("of what both sides have in common; 200.10 t/s over all of its own rounds") in text


def test_bound_is_written_as_a_bound_and_two_upper_bounds_have_no_ratio(build_report: Build) -> None:
    by = {(name, "ttft_s"): "first-chunk" for name in ("alpha", "beta")}
    by |= {(name, "prompt_tps"): "prefill-short-budget" for name in ("alpha", "beta")}
    report = build_report(definitions=by)
    for kind in TEXT:
        text = FORMATS[kind](report)
        assert "≤ 0.0042 s" in text
        assert "≥ 120.50 t/s" in text
        said = "Delta, First Token Latency: both values are upper bounds, which have no ratio"
        assert squeezed(said) in squeezed(text)
    page = render_page(report)
    assert "- First Token Latency: at most 0.0042 seconds (definition: first-chunk)\n" in page
    assert "| Prompt Processing | ≥ 120.50 t/s | ≥ 120.50 t/s | +" in page
