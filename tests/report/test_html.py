"""The page: everything that the other formats say, well-formed, escaped, and with pictures where something is known."""

import json
from collections.abc import Callable, Mapping
from html.parser import HTMLParser

import pytest
from spoken import SPOKEN, noisy, score_trial

from parity.records import Comparison, Report, Stage, TestSpec, Trial, Verdict
from parity.redaction import forget, learn
from parity.report import FORMATS, render_html
from parity.report.html.answers import apart
from parity.report.html.banner import banner_of, judged
from parity.report.html.building import MOST_DRAWN, chosen
from parity.report.html.glance import glance
from parity.report.index import Index

TEST = TestSpec(name="t", title="T", prompt="hi", max_tokens=4)
MARKUP = "<b>bold</b><script>alert(1)</script>"


class Page(HTMLParser):
    """The parts of a page that tests ask for; fails where an element is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "link"):
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.text += f" {data}"

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def squeezed(text: str) -> str:
    return "".join(text.split())


def page_of(report: Report) -> Page:
    return Page(render_html(report))


def with_trials(report: Report) -> Report:
    """The report as one that was just computed: its trials have stages and texts, its comparisons their rounds."""
    trials = tuple(
        trial.but(
            stages=(
                Stage(name="load", begin_s=0, end_s=0.4 * trial.round),
                Stage(name="prefill", begin_s=0.4 * trial.round, end_s=1.0 * trial.round),
                Stage(name="decode", begin_s=1.0 * trial.round, end_s=2.0 * trial.round),
            ),
            gaps_ns=(10_000_000, 11_000_000, 30_000_000),
            text=f"It is four{' again' if trial.runtime == 'beta' else ''}.",
            command=("engine", "--model", f"/models/{trial.runtime}'s.gguf"),
        )
        for trial in report.trials
    )
    comparisons = tuple(_with_rounds(c) for c in report.comparisons)
    return report.model_copy(update={"trials": trials, "comparisons": comparisons})


def _with_rounds(comparison: Comparison) -> Comparison:
    return comparison.but(numbers=(1, 2, 3), theirs=(10.0, 10.0, 10.0), ours=(7.0, 9.0, 11.0))


def test_every_page_is_closed_and_each_id_is_there_once(scenario: tuple[str, Report]) -> None:
    _, report = scenario
    page = page_of(with_trials(report))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [link["href"] for link in page.all("a")]
    assert {target.removeprefix("#") for target in targets if target} <= set(ids)


def test_the_page_says_what_the_markdown_says(scenario: tuple[str, Report]) -> None:
    _, report = scenario
    said = squeezed(page_of(report).text)
    for verdict in report.verdicts:
        assert squeezed(verdict.finding) in said
    markdown = squeezed(FORMATS["markdown"](report))
    for summary in report.summaries:
        assert squeezed(summary.reason or "") in said or squeezed(summary.reason or "") not in markdown
    for warning in report.warnings:
        assert squeezed(warning) in said
    assert squeezed(report.exit.reason) in said


def test_nothing_that_a_stranger_wrote_is_markup(build_report: Callable[..., Report]) -> None:
    report = build_report(titles={"beta": MARKUP}, warnings=(MARKUP,))
    page = page_of(with_trials(report))
    assert page.all("script") == []
    assert page.all("b") == []
    assert MARKUP in page.text


def test_the_page_asks_for_nothing_from_elsewhere(reports: Mapping[str, Report]) -> None:
    page = page_of(with_trials(reports["outputs"]))
    for _, attributes in page.elements:
        for name in ("src", "href", "action", "srcset", "poster"):
            assert (attributes.get(name) or "#").startswith(("#", "data:,")), attributes
    assert "url(" not in render_html(reports["outputs"])
    assert "@import" not in render_html(reports["outputs"])


@pytest.mark.parametrize(
    ("name", "word", "tone"),
    [("matching", "Passed", "pass"), ("slower", "Failed", "fail"), ("undecided", "Not decided", "open")],
)
def test_the_banner_says_the_end_in_one_word(reports: Mapping[str, Report], name: str, word: str, tone: str) -> None:
    banner = banner_of(reports[name])
    assert (banner.word, banner.tone) == (word, tone)
    assert dict(banner.counts).keys() == {verdict.verdict for verdict in reports[name].verdicts}


def test_a_run_that_judged_nothing_was_measured(build_report: Callable[..., Report]) -> None:
    assert banner_of(build_report(verdicts=[])).word == "Measured"


def test_what_would_change_a_verdict_stands_beneath_it(
    build_report: Callable[..., Report], verdict: Callable[..., Verdict]
) -> None:
    advice = 'declare it:\n[[declare]]\nfact = "threads"'
    sentence = 'threads differ; declare it: [[declare]] fact = "threads"'
    found = verdict("speed", "NOT COMPARABLE", sentence=sentence).but(advice=advice)
    [shown] = judged(Index(build_report(verdicts=[found])))
    assert shown.text == "speed · Beta · simple-math: threads differ"
    assert shown.advice == ("declare it:", "[[declare]]", 'fact = "threads"')
    text = page_of(build_report(verdicts=[found])).text
    assert squeezed('What to do: declare it: [[declare]] fact = "threads"') in squeezed(text)


def test_a_key_in_the_words_on_what_to_do_is_shown_as_code(
    build_report: Callable[..., Report], verdict: Callable[..., Verdict]
) -> None:
    for advice, shown in (
        ("set `rounds.fixed = 9`", "set <code>rounds.fixed = 9</code>"),
        ("set `a<b`, or `c`", "set <code>a&lt;b</code>, or <code>c</code>"),
        ("a ` alone", "a ` alone"),
    ):
        found = verdict("speed", "INCONCLUSIVE").but(advice=advice)
        assert shown in render_html(build_report(verdicts=[found])), advice


def test_all_runtimes_of_a_test_stand_in_one_table_with_their_worst_verdict(
    build_report: Callable[..., Report], verdict: Callable[..., Verdict]
) -> None:
    found = [verdict("a", "PASS"), verdict("b", "FAIL"), verdict("c", "FAIL", runtime="gamma", required=False)]
    figures = {"alpha": {"gen_tps": 100.0}, "beta": {"gen_tps": 90.0}, "gamma": {"gen_tps": "prints nothing"}}
    index = Index(build_report(figures, verdicts=found))
    shown = glance(index, index.workloads[0])
    assert shown is not None
    assert shown.metrics == ("Token Generation",)
    assert [(row.title, row.verdict) for row in shown.rows] == [
        ("Alpha (baseline)", None),
        ("Beta", "FAIL"),
        ("Gamma", None),
    ]
    assert [(row.figures[0].value, row.figures[0].ratio) for row in shown.rows] == [
        ("100.00 t/s", ""),
        ("90.00 t/s", "0.90× [0.86, 0.95]"),
        ("—", ""),
    ]


def test_each_test_shows_where_the_time_of_its_median_trial_went(reports: Mapping[str, Report]) -> None:
    text = page_of(with_trials(reports["matching"])).text
    assert text.count("Where the time goes: Simple Math") >= 1
    assert "Beta, round 2: 4.00 s" in text


def test_a_runtime_that_only_failed_shows_how_far_it_came(reports: Mapping[str, Report]) -> None:
    assert "Beta, failed (crash:SIGSEGV)" in page_of(with_trials(reports["failed"])).text


def test_a_report_whose_trials_show_no_times_has_no_plot_of_them(reports: Mapping[str, Report]) -> None:
    assert "Where the time goes" not in page_of(reports["matching"]).text


def test_last_lines_of_a_failed_trial_are_on_the_page_without_escapes(reports: Mapping[str, Report]) -> None:
    text = page_of(reports["failed"]).text
    assert "panic: index out of range" in text
    assert "\x1b" not in text


def test_the_gate_of_a_ratio_has_its_line(build_report: Callable[..., Report], verdict: Callable[..., Verdict]) -> None:
    judged = verdict("speed", "FAIL", value=0.9).but(at_least=0.8)
    page = page_of(with_trials(build_report(verdicts=[judged])))
    assert "speed: at least 0.8×" in page.text
    assert [line for line in page.all("line") if line.get("class") == "limit"] != []


def test_where_two_texts_part_is_marked_from_the_word_on() -> None:
    theirs, ours = apart(("Alpha", "The sky is blue today."), ("Beta", "The sky is black today."))
    assert (theirs.same, theirs.marked, theirs.rest) == ("The sky is ", "blue", " today.")
    assert (ours.same, ours.marked, ours.rest) == ("The sky is ", "black", " today.")


def test_a_text_that_ends_first_is_marked_at_its_end() -> None:
    theirs, ours = apart(("Alpha", "It is four."), ("Beta", "It is four. Yes."))
    assert (theirs.marked, theirs.rest) == ("", "")
    assert ours.marked is not None
    assert "Yes." in ours.marked + ours.rest


def test_texts_that_are_the_same_are_shown_once() -> None:
    [both] = apart(("Alpha", "four"), ("Beta", "four"))
    assert (both.title, both.same, both.marked) == ("Alpha and Beta", "four", None)


def test_a_secret_in_a_text_is_masked_before_the_text_is_split() -> None:
    try:
        learn(["hunter2hunter2"])
        sides = apart(("Alpha", "key hunter2hunter2"), ("Beta", "key hunter2 is wrong"))
    finally:
        forget()
    assert not any("hunter2hunter2" in side.same + (side.marked or "") + side.rest for side in sides)


def test_how_far_probabilities_lie_apart_is_drawn_by_position(reports: Mapping[str, Report]) -> None:
    scored = (score_trial("alpha", SPOKEN), score_trial("beta", noisy(SPOKEN, 0.01)))
    named = tuple(t.but(model="toy", test="simple-math") for t in scored)
    report = reports["outputs"].model_copy(update={"score_trials": named})
    text = page_of(with_trials(report)).text
    assert "Kullback-Leibler divergence of Beta from Alpha, by position" in text
    assert "Kullback-Leibler divergence of Gamma" not in text
    assert "Distance of each runtime from the exact arm" in text


def test_the_command_of_each_cell_can_be_pasted(reports: Mapping[str, Report]) -> None:
    text = page_of(with_trials(reports["matching"])).text
    assert """engine --model '/models/beta'"'"'s.gguf'""" in text
    assert "parity explain RUN toy/simple-math/beta" in text
    assert "parity run" not in text


def test_the_command_of_a_cell_selects_it_with_the_options_of_the_run(build_report: Callable[..., Report]) -> None:
    options = ("--only beta", "--test 'simple*'", "--rounds 3", "--set 'rounds.warmup=0'")
    text = page_of(with_trials(build_report(config_file="my case.toml", options=options))).text
    said = "parity run 'my case.toml' --only alpha --only beta --test simple-math --rounds 3 --set 'rounds.warmup=0'"
    assert said in text
    assert "parity run 'my case.toml' --only alpha --test longer-generation --rounds 3" in text


def test_of_many_tests_those_with_the_worst_verdicts_are_drawn(
    build_report: Callable[..., Report], verdict: Callable[..., Verdict]
) -> None:
    tests = [TEST.but(name=f"t{k}", title=f"T{k}") for k in range(MOST_DRAWN + 5)]
    judged = [verdict("speed", "FAIL" if k > MOST_DRAWN else "PASS", test=t.name) for k, t in enumerate(tests)]
    report = build_report(tests=tests, verdicts=judged)
    drawn = [workload.test.name for workload in chosen(Index(report))]
    assert drawn == [
        *(f"t{k}" for k in range(MOST_DRAWN + 1, MOST_DRAWN + 5)),
        *(f"t{k}" for k in range(MOST_DRAWN - 4)),
    ]
    assert page_of(report).text.count("Not drawn: this run has 45 tests") == 5


def test_the_page_is_the_same_for_the_same_report(reports: Mapping[str, Report]) -> None:
    assert FORMATS["html"](reports["outputs"]) == FORMATS["html"](reports["outputs"])


def test_figures_of_a_plot_stand_in_a_table_too(reports: Mapping[str, Report]) -> None:
    page = page_of(with_trials(reports["matching"]))
    assert len(page.all("figure")) > 0
    for scope in ("col", "row"):
        assert any(cell.get("scope") == scope for cell in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))


def test_a_record_of_trials_keeps_stages_and_commands_to_itself() -> None:
    trial = Trial(file="f", model="m", test="t", runtime="r", round=1, warmup=False, command=("x",), stages=(STAGE,))
    assert not {"command", "stages"} & json.loads(trial.model_dump_json()).keys()


STAGE = Stage(name="load", begin_s=0, end_s=1)
