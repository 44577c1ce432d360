"""What a run ends with: what each gate came to, all runtimes in one table, and what to do, in few lines."""

import re
import tomllib
from collections.abc import Callable, Mapping

import pytest

from parity.records import Failure, Report, Verdict
from parity.report import terminal_brief, terminal_table

Build = Callable[..., Report]
Gates = Callable[..., tuple[Verdict, ...]]
OneVerdict = Callable[..., Verdict]

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
DECLARE = 'if that is intended, declare it:\n[[declare]]\nfact = "threads"\nruntimes = ["beta"]\nreason = "why"'


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_it_keeps_to_the_width_but_for_what_is_copied(scenario: tuple[str, Report], width: int) -> None:
    _, report = scenario
    copied = [runtime.remedy for runtime in report.runtimes if runtime.remedy]
    lines = [line for line in terminal_brief(report, width).splitlines() if line.strip() not in copied]
    assert [line for line in lines if len(line) > width and "xxxx" not in line] == []


@pytest.mark.parametrize("width", [80, 120, 200])
def test_colours_change_no_word_and_no_column(scenario: tuple[str, Report], width: int) -> None:
    _, report = scenario
    coloured = terminal_brief(report, width, colour=True)
    assert "\x1b[1;3" in coloured
    assert ESCAPES.sub("", coloured) == terminal_brief(report, width)


def test_the_verdict_comes_first_and_the_worst_of_all(reports: Mapping[str, Report]) -> None:
    lines = terminal_brief(reports["slower"]).splitlines()
    words = [line.split()[0] for line in lines[: lines.index("Exit code 1: see the verdicts")] if line[0] != " "]
    assert words == ["FAIL", "FAIL", "PASS", "PASS"]


def test_a_gate_that_failed_shows_what_it_asks_and_what_each_cell_came_to(reports: Mapping[str, Report]) -> None:
    text = " ".join(terminal_brief(reports["slower"]).split())
    assert (
        "FAIL generation-parity (gen_tps at least 0.8×): Beta 0.22× [0.21, 0.23] on Simple Math, "
        "0.22× [0.21, 0.23] on Longer Generation" in text
    )


def test_every_runtime_is_in_one_table_where_it_has_room(reports: Mapping[str, Report]) -> None:
    wide = terminal_brief(reports["three-runtimes"], 120).splitlines()
    header = next(line for line in wide if "alpha-in-python" in line)
    assert header.split() == ["alpha-in-python", "beta_with_a_long_name", "gamma"]
    assert wide.count(next(line for line in wide if "Token Generation" in line)) == 2
    row = next(line for line in wide if "Token Generation" in line)
    assert re.split(r"\s{2,}", row.strip()) == [
        *("Token Generation", "93.87 t/s"),
        *("90.02 t/s", "0.96× [0.91, 1.01]", "201.40 t/s", "2.1× [2.0, 2.3]"),
    ]


def test_ratios_stand_beneath_the_values_where_the_terminal_is_narrow(reports: Mapping[str, Report]) -> None:
    lines = terminal_brief(reports["three-runtimes"], 80).splitlines()
    at = next(k for k, line in enumerate(lines) if "Token Generation" in line)
    assert lines[at].split("  ")[-1].strip() == "201.40 t/s"
    assert re.split(r"\s{2,}", lines[at + 1].strip()) == ["0.96× [0.91, 1.01]", "2.1× [2.0, 2.3]"]


def test_runtimes_that_have_no_room_beside_each_other_stand_in_tables_of_their_own(build_report: Build) -> None:
    figures = {"load_s": 1.0, "gen_tps": 10.0}
    names = ["base", *(f"runtime{k}" for k in range(1, 8))]
    text = terminal_brief(build_report(dict.fromkeys(names, figures), verdicts=()), 80)
    assert max(map(len, text.splitlines())) <= 80
    assert all(f"Runtime{k}" in text for k in range(1, 8))


def test_a_value_by_another_definition_than_the_baselines_is_marked(build_report: Build) -> None:
    figures = {"alpha": {"gen_tps": 10.0}, "beta": {"gen_tps": 20.0}}
    report = build_report(figures, definitions={("beta", "gen_tps"): "chunk-interval"}, comparisons=(), verdicts=())
    text = terminal_brief(report)
    assert "20.00 t/s *" in text
    assert "* by a definition other than the baseline's value" in text


def test_a_runtime_that_failed_keeps_its_column(reports: Mapping[str, Report]) -> None:
    text = terminal_brief(reports["failed"])
    assert re.search(r"Token Generation +93.87 t/s +—\n", text)
    assert "crash:SIGSEGV" in text


def test_the_last_line_of_a_failed_trial_is_shown(build_report: Build) -> None:
    failure = Failure(kind="exit:1", message="it exited with status 1", tail=("loading", "no such quantisation", " "))
    text = terminal_brief(build_report(failures={"beta": failure}), 200)
    assert re.search(r"^ +its last line: no such quantisation$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("tail", "shown"),
    [
        (
            ("Traceback", "OSError: no memory left", '{"ev": "error", "kind": "failed"}', '{"ev":"bye"}'),
            "no memory left",
        ),
        (("WorkerError: it reads no such tensor", '{"ev": "bye", "reason": "error"}'), None),
        (('{"ev": "bye", "reason": "error"}',), None),
    ],
)
def test_an_event_or_what_the_failure_says_is_no_last_line(
    build_report: Build, tail: tuple[str, ...], shown: str | None
) -> None:
    failure = Failure(kind="refused", message="it reads no such tensor (give it a folder)", tail=tail)
    text = terminal_brief(build_report(failures={"beta": failure}), 200)
    assert ("its last line" in text) == (shown is not None)
    assert shown is None or f"its last line: OSError: {shown}" in text


def test_advice_stands_beneath_its_gate_once_for_all_cells(build_report: Build, verdict: OneVerdict) -> None:
    alike = [verdict("speed", "NOT COMPARABLE", test=t, advice=DECLARE) for t in ("simple-math", "longer-generation")]
    text = terminal_brief(build_report(verdicts=alike), 100)
    assert text.count("if that is intended") == 1
    assert "Beta on Simple Math: →" not in text


@pytest.mark.parametrize("width", range(60, 100))
def test_a_key_to_be_copied_stands_on_one_line(build_report: Build, verdict: OneVerdict, width: int) -> None:
    advice = "about 4 more rounds would decide this at the present spread: set `rounds.fixed = 9`"
    report = build_report(verdicts=[verdict("speed", "INCONCLUSIVE", advice=advice)])
    assert "`rounds.fixed = 9`" in terminal_brief(report, width)


def test_a_fact_that_several_runtimes_do_not_report_is_named_once(build_report: Build, verdict: OneVerdict) -> None:
    unproven = (("threads (base, one)",), ("threads (base, two)", "device (two)"))
    verdicts = [verdict("speed", "PASS").but(unproven=facts) for facts in unproven]
    text = " ".join(terminal_brief(build_report(verdicts=verdicts), 120).split())
    assert "unproven: threads (base, one, two), device (two)" in text


def test_toml_to_paste_is_on_lines_of_its_own_and_valid(build_report: Build, verdict: OneVerdict) -> None:
    report = build_report(verdicts=[verdict("speed", "NOT COMPARABLE", advice=DECLARE)])
    lines = terminal_brief(report, 60).splitlines()
    at = next(k for k, line in enumerate(lines) if "[[declare]]" in line)
    [declared] = tomllib.loads("\n".join(lines[at : at + 4]))["declare"]
    assert declared == {"fact": "threads", "runtimes": ["beta"], "reason": "why"}
    assert '[[declare]] fact = "threads", runtimes = ["beta"]' in " ".join(terminal_table(report, 80).split())


def test_a_gate_that_does_not_apply_has_no_line_unless_it_fell_away(build_report: Build, verdict: OneVerdict) -> None:
    elsewhere = verdict("on-metal", "NOT APPLICABLE", sentence="applies on darwin")
    fell_away = elsewhere.but(gate="on-gpu", fell_away=True)
    text = terminal_brief(build_report(verdicts=[elsewhere, fell_away]))
    assert "on-metal" not in text
    assert "NOT APPLICABLE  on-gpu" in text


def test_many_tests_leave_out_metrics_before_they_fill_the_screen(
    build_report: Build, reports: Mapping[str, Report]
) -> None:
    [one, _] = reports["matching"].tests
    tests = [one.but(name=f"t{k}", title=f"Test {k}") for k in range(40)]
    text = terminal_brief(build_report(tests=tests, verdicts=()))
    assert len(text.splitlines()) < 40
    assert re.search(r"… and 2\d more tests in the whole report", text)
    few = terminal_brief(build_report(tests=tests[:5], verdicts=()))
    assert few.count("Token Generation") == 5
    assert "Peak Memory" not in few


def test_what_programs_printed_does_nothing_to_the_terminal(build_report: Build) -> None:
    failure = Failure(kind="exit:1", message="\x1b[2Jgone", tail=("\x1b]0;title\a\x1b[31mred",))
    report = build_report(failures={"beta": failure}, titles={"alpha": "al\x1b[31mpha"}, warnings=("\x07bell",))
    for colour in (False, True):
        text = ESCAPES.sub("", terminal_brief(report, colour=colour)) if colour else terminal_brief(report)
        assert "\x1b" not in text
        assert "\x07" not in text


def test_the_end_of_the_demo_fits_one_screen(build_report: Build, verdict: OneVerdict) -> None:
    """Two tests and three runtimes of which one is too slow; at most nine more lines follow."""
    figures = {"load_s": 0.29, "prompt_tps": 299.11, "gen_tps": 112.23, "ttft_s": 0.12, "total_s": 0.56}
    figures |= {"peak_rss_bytes": 165.0 * 1024**2}
    names = ("llama-cpp-python", "mlx-lm", "candle-reference")
    ends = [
        verdict(gate, kind, of=of, metric=metric, runtime=name, test=test, bounds=bounds, value=value, advice=advice)
        for gate, kind, of, metric, bounds, value, advice, of_all in (
            ("same-answers", "PASS", "outputs", None, None, None, None, True),
            ("load", "PASS", "bound", "load_s", "at most 10.00 s", 1.29, None, False),
            ("speed", "FAIL", "ratio", "gen_tps", "at least 0.8×", 0.071, "11.3 times as much would meet it", False),
            ("no-hangs", "PASS", "no-failed-trials", None, None, None, None, True),
            ("consistent", "INCONCLUSIVE", "consistency", "gen_tps", "at most 10%", 0.1, "judged again later", False),
        )
        for name in (names[1:] if of_all else names[1:2])
        for test in ("simple-math", "longer-generation")
    ]
    differing = {"declared": ("threads: 2 against not reported (it has no setting)",), "unproven": ("build profile",)}
    ends = [end.but(**differing) if end.compares else end for end in ends]
    why = "required gates failed: speed (mlx-lm, simple-math), speed (mlx-lm, longer-generation)"
    report = build_report(dict.fromkeys(names, figures), titles={n: n for n in names}, verdicts=ends, code=1)
    report = report.but(exit=report.exit.but(reason=why))
    lines = terminal_brief(report, 80).splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 40 - 9
    assert all(any(name[:8] in line for line in lines) for name in names)
