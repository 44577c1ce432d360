"""A machine that others keep busy: which trials count, and what is said of it. On a scripted host."""

from collections.abc import Callable
from typing import Any

import pytest
from scripted_host import HANGS, SPEED, Meanwhile, Program, Script, ScriptedHost, config, table

from parity.records import Busyness, ProcessLoad
from parity.transcript import Head

RUNTIMES = table("base", "prove = false") + table("other", "prove = false")
STEADY = '[[gates]]\nname = "steady"\nkind = "consistency"\nmax_cv = 0.5\n'
FAST = '[[gates]]\nname = "fast"\nkind = "bound"\nmetric = "gen_tps"\nmin = 1.0\n'
SMALL = '[[gates]]\nname = "small"\nkind = "bound"\nmetric = "peak_rss_bytes"\nmax = 1e12\n'
ROUNDS = 6
PASSES = 9
"""Over the turns of a machine that is always busy: half as many turns as there are rounds run again."""


@pytest.fixture
def program(tmp_path: Any, capsys: Any, monkeypatch: Any) -> Program:
    return Program(tmp_path, capsys, monkeypatch)


def run(program: Program, host: ScriptedHost, gates: str = HANGS + SPEED, rest: str = "") -> Any:
    name = program.write(config(RUNTIMES, rounds=ROUNDS, gates=gates, rest=rest))
    return program("run", name, "--out", "run", host=host)


def hosted(program: Program, meanwhile: Callable[[Head], Meanwhile | None], **scripts: Script) -> ScriptedHost:
    host = program.host(**scripts)
    host.meanwhile = meanwhile
    return host


def test_on_an_idle_machine_nothing_is_void(program: Program) -> None:
    ended = run(program, hosted(program, lambda head: Meanwhile(others_cpu=0.25)))
    assert ended.code == 0, ended.out
    report = program.report()
    assert report["void"] == []
    assert {trial["void"] for trial in report["trials"]} == {None}
    assert {trial["conditions"]["others_cpu"] for trial in report["trials"]} == {0.25}
    assert {trial["conditions"]["page_cache"]["state"] for trial in report["trials"]} == {"warm"}


@pytest.mark.parametrize("gate", [SPEED, STEADY, FAST])
def test_a_machine_that_stays_busy_decides_no_gate_on_a_speed_and_says_so(program: Program, gate: str) -> None:
    ended = run(program, hosted(program, lambda head: Meanwhile(others_cpu=1.6)), gate)
    [verdict] = program.report()["verdicts"]
    assert (ended.code, verdict["verdict"]) == (3, "INCONCLUSIVE")
    assert "the machine was busy in" in verdict["sentence"]
    assert "other programs used 1.60 of 2 CPUs while it ran (limit 0.50)" in verdict["sentence"]


def test_a_busy_machine_decides_what_is_no_speed(program: Program) -> None:
    ended = run(program, hosted(program, lambda head: Meanwhile(others_cpu=1.6)), HANGS + SMALL)
    assert ended.code == 0
    assert {verdict["verdict"] for verdict in program.report()["verdicts"]} == {"PASS"}


def test_a_slow_runtime_does_not_pass_for_a_busy_machine(program: Program) -> None:
    """Its own processes may use every CPU: nothing of that makes a trial void."""
    ended = run(program, hosted(program, lambda head: Meanwhile(), other=Script(token_ms=100)))
    assert ended.code == 1
    assert [v["verdict"] for v in program.report()["verdicts"]] == ["PASS", "FAIL"]


def test_a_deadline_that_is_missed_on_a_busy_machine_fails_nothing(program: Program) -> None:
    hangs = Script(fault=lambda head: None if head.slot is None or head.slot.warmup else "hang")
    ended = run(program, hosted(program, lambda head: Meanwhile(others_cpu=1.6), other=hangs))
    assert {v["verdict"] for v in program.report()["verdicts"]} == {"INCONCLUSIVE"}
    assert ended.code == 3


@pytest.mark.parametrize("often", [1, 9], ids=["later attempts succeed", "never in time"])
def test_without_gates_a_deadline_that_is_missed_again_on_a_busy_machine_is_no_success(
    program: Program, often: int
) -> None:
    """Few enough to be left out, so that what counts shows nothing of them."""

    def late(head: Head) -> bool:
        slot = head.slot
        return slot is not None and slot.round == 2 and not slot.warmup and slot.attempt <= often

    host = hosted(
        program,
        lambda head: Meanwhile(others_cpu=1.6 if late(head) else 0.0),
        other=Script(fault=lambda head: "hang" if late(head) else None),
    )
    ended = run(program, host, gates="")
    found = program.report()["exit"]
    assert (ended.code, found["code"]) == ((0, 0) if often == 1 else (4, 4)), found
    assert often == 1 or "other on t (timeout:load)" in found["reason"]


def test_a_crash_on_a_busy_machine_is_a_failure(program: Program) -> None:
    crashes = Script(fault=lambda head: "crash" if head.slot is not None and head.slot.round == 3 else None)
    run(program, hosted(program, lambda head: Meanwhile(others_cpu=1.6), other=crashes))
    assert {v["gate"]: v["verdict"] for v in program.report()["verdicts"]}["hangs"] == "FAIL"


@pytest.mark.parametrize(("limits", "is_void"), [("others_cpu = 0.7", True), ("others_cpu = 0.9", False), ("", True)])
def test_the_config_sets_the_limit(program: Program, limits: str, is_void: bool) -> None:
    run(program, hosted(program, lambda head: Meanwhile(others_cpu=0.8)), rest=f"[conditions]\n{limits}")
    report = program.report()
    assert any(trial["void"] for trial in (*report["trials"], *report["void"])) == is_void


def test_score_gives_the_same_report_of_a_busy_run(program: Program) -> None:
    busy_rounds = hosted(program, lambda head: Meanwhile(others_cpu=1.6 if head.slot and head.slot.round == 2 else 0.0))
    run(program, busy_rounds)
    before = (program.folder / "run" / "report.json").read_bytes()
    program("score", "run")
    assert (program.folder / "run" / "report.json").read_bytes() == before


def test_a_run_says_at_its_start_that_the_machine_is_busy_and_names_the_heaviest_processes(program: Program) -> None:
    host = program.host()
    heavy = (ProcessLoad(pid=4711, name="stress", cores=0.98), ProcessLoad(pid=12, name="backup", cores=0.61))
    host.busy = Busyness(usable_cpus=2, others_cpu=1.62, heaviest=heavy, on_battery=True)
    said = run(program, host).err
    assert "the machine is busy: other programs use 1.62 of its 2 CPUs (limit 0.50)" in said
    assert "stress (pid 4711) uses 0.98 cores" in said
    assert "backup (pid 12) uses 0.61 cores" in said
    assert "runs on battery power" in said
    assert said.index("the machine is busy") < said.index("base: ")


def test_a_quiet_machine_is_not_mentioned(program: Program) -> None:
    assert "busy" not in run(program, program.host()).err


def test_a_trial_that_is_void_is_named_while_the_run_goes_on(program: Program) -> None:
    said = run(program, hosted(program, lambda head: Meanwhile(others_cpu=1.6))).err
    assert "void: other programs used 1.60 of 2 CPUs" in said


def test_cold_is_refused_before_the_first_trial_where_it_is_impossible(program: Program) -> None:
    host = program.host()
    host.cannot_drop = "this system has no way to drop a file from the page cache"
    ended = run(program, host, rest='[conditions]\npage_cache = "cold"')
    assert ended.code == 2
    assert 'conditions.page_cache: "cold" can\'t be used here: this system has no way' in ended.err
    assert 'set it to "warm"' in ended.err
    assert host.trials == []


def test_a_config_with_another_state_of_the_page_cache_is_refused(program: Program) -> None:
    ended = run(program, program.host(), rest='[conditions]\npage_cache = "hot"')
    assert ended.code == 2
    assert "conditions.page_cache" in ended.err


def test_the_report_says_what_was_odd_and_shows_the_conditions_of_both_sides(program: Program) -> None:
    ended = run(program, hosted(program, lambda head: Meanwhile(others_cpu=1.6, throttled_s=0.1, on_battery=True)))
    told = " ".join(ended.out.split())
    assert f"{2 * PASSES} trials were void ({PASSES} of base, {PASSES} of other)" in told.replace(
        f"({PASSES} of other, {PASSES} of base)", f"({PASSES} of base, {PASSES} of other)"
    )
    assert f"{2 * PASSES} of {2 * PASSES} trials ran on battery power" in told
    assert "ran on battery power → plug the machine in" in told
    page = (program.folder / "run" / "report.md").read_text(encoding="utf-8")
    assert "## Conditions" in page
    assert "| Median (largest) | base | other |" in page
    assert f"| Void trials | {PASSES} | {PASSES} |" in page
    assert "| CPUs used by others | 1.60 (1.60) | 1.60 (1.60) |" in page
    assert "| Throttled for | 0.10 s (0.10 s) | 0.10 s (0.10 s) |" in page
    assert "| CPU frequency at the end | — [2] | — [2] |" in page
    assert "- [2] the system doesn't tell CPU frequencies" in page


def test_a_quiet_run_has_no_line_about_its_conditions(program: Program) -> None:
    ended = run(program, hosted(program, lambda head: Meanwhile(others_cpu=0.1)))
    assert "Conditions" not in ended.out
    assert "void" not in ended.out


def test_a_run_that_recorded_no_conditions_shows_none(program: Program) -> None:
    ended = run(program, program.host())
    assert "Page cache" not in ended.out
    assert "## Conditions" not in (program.folder / "run" / "report.md").read_text(encoding="utf-8")


def test_turns_that_others_disturb_are_run_again_on_both_sides_and_decide_nothing(program: Program) -> None:
    def meanwhile(head: Head) -> Meanwhile:
        slot = head.slot
        disturbed = slot is not None and slot.attempt == 1 and (slot.round, slot.runtime) in {(2, "other"), (4, "base")}
        return Meanwhile(others_cpu=1.6 if disturbed else 0.1)

    ended = run(program, hosted(program, meanwhile))
    report = program.report()
    assert ended.code == 0, ended.out
    assert {v["verdict"] for v in report["verdicts"]} == {"PASS"}
    again = sorted((t["runtime"], t["round"]) for t in report["trials"] if t["attempt"] == 2)
    assert again == [("base", 2), ("base", 4), ("other", 2), ("other", 4)]
    assert sorted((t["runtime"], t["round"]) for t in report["void"]) == again
    assert [t["void"] for t in report["trials"]] == [None] * len(report["trials"])
    assert "2 trials were void (1 of base, 1 of other)" in " ".join(ended.out.split())
    before = (program.folder / "run" / "report.json").read_bytes()
    program("score", "run")
    assert (program.folder / "run" / "report.json").read_bytes() == before


def test_a_run_on_a_busy_machine_ends(program: Program) -> None:
    host = hosted(program, lambda head: Meanwhile(others_cpu=1.6))
    run(program, host)
    assert len(host.trials) <= 2 * (1 + 2 * ROUNDS)


def test_one_side_that_is_disturbed_more_often_is_no_basis_for_a_verdict(program: Program) -> None:
    def meanwhile(head: Head) -> Meanwhile:
        slot = head.slot
        disturbed = slot is not None and slot.attempt == 1 and slot.runtime == "other"
        return Meanwhile(others_cpu=1.6 if disturbed else 0.1)

    name = program.write(config(RUNTIMES, rounds=20, gates=SPEED))
    ended = program("run", name, "--out", "run", host=hosted(program, meanwhile))
    [verdict] = program.report()["verdicts"]
    assert (ended.code, verdict["verdict"]) == (3, "INCONCLUSIVE")


def test_a_deadline_missed_in_a_warm_up_or_whole_trial_on_a_busy_machine_is_charged_to_nobody(program: Program) -> None:
    for place in ("warmup", "whole"):

        def there(head: Head, place: str = place) -> bool:
            return head.slot is not None and (head.slot.warmup if place == "warmup" else head.slot.kind == "whole")

        def first(head: Head, there: Callable[[Head], bool] = there) -> bool:
            return there(head) and head.slot is not None and head.slot.attempt == 1

        tables = table("base", "prove = false") + table("other", "prove = false\nwhole_trials = 1")
        name = program.write(config(tables, rounds=ROUNDS, gates=HANGS))
        for out, busy in ((f"always-{place}", there), (f"once-{place}", first)):
            slow = Script(fault=lambda head, busy=busy: "hang" if busy(head) else None)
            host = hosted(program, lambda head, busy=busy: Meanwhile(others_cpu=1.9 if busy(head) else 0.0), other=slow)
            ended = program("run", name, "--out", out, host=host)
            [verdict] = program.report(out)["verdicts"]
            said = verdict["sentence"]
            if busy is there:
                assert (ended.code, verdict["verdict"]) == (3, "INCONCLUSIVE"), said
                assert "other programs used 1.90 of 2 CPUs" in said
            else:
                assert (ended.code, verdict["verdict"]) == (0, "PASS"), said
                assert "1 trial missed a deadline (timeout:load) while other programs used 1.90 of 2 CPUs" in said
                assert "gave a result when run again" in said
            idle = hosted(program, lambda head: Meanwhile(), other=slow)
            assert program("run", name, "--out", f"idle-{out}", host=idle).code == 1


def test_a_stall_is_a_failure_on_a_busy_machine_too(program: Program) -> None:
    def first(head: Head) -> bool:
        return head.slot is not None and not head.slot.warmup and head.slot.attempt == 1 and head.slot.round <= 3

    stalls = Script(fault=lambda head: "hang-after" if first(head) else None)
    ended = run(program, hosted(program, lambda head: Meanwhile(others_cpu=0.6 if first(head) else 0.0), other=stalls))
    hangs = program.report()["verdicts"][0]
    assert (ended.code, hangs["verdict"]) == (1, "FAIL")
    assert "3 of" in hangs["sentence"]
    assert "(stall)" in hangs["sentence"]


@pytest.mark.parametrize("gate", [SPEED, STEADY, FAST.replace("1.0", "90.0")])
@pytest.mark.parametrize(("disturbed", "verdict"), [("other", "INCONCLUSIVE"), ("base", "PASS")])
def test_slow_rounds_of_the_judged_runtime_that_were_void_are_a_selection(
    program: Program, gate: str, disturbed: str, verdict: str
) -> None:
    def first(head: Head) -> bool:
        slot = head.slot
        return slot is not None and not slot.warmup and slot.attempt == 1 and slot.round <= 5

    def meanwhile(head: Head) -> Meanwhile:
        return Meanwhile(others_cpu=1.6 if first(head) and head.runtime == disturbed else 0.0)

    slow = Script(pause_ms=lambda head: 20.0 if first(head) else 0.0)
    name = program.write(config(RUNTIMES, rounds=20, gates=gate))
    program("run", name, "--out", "run", host=hosted(program, meanwhile, other=slow))
    [found] = program.report()["verdicts"]
    if gate is SPEED:
        # A comparison reads both sides, so that either may be a selection.
        verdict = "INCONCLUSIVE"
    assert found["verdict"] == verdict, found["sentence"]
