"""Whole runs whose rounds depend on what they show: until the required gates are decided, and no longer."""

import re
from typing import Any

import pytest
from scripted_host import HANGS, SPEED, Meanwhile, Program, Script, config, table

TWO = table("base", "prove = false") + table("other", "prove = false")
EVEN = '[[gates]]\nname = "even"\nkind = "consistency"\n'
TIGHT = '[[gates]]\nname = "tight"\nkind = "ratio"\nmetric = "gen_tps"\nmin_ratio = 0.95\n'


@pytest.fixture
def program(tmp_path: Any, capsys: Any, monkeypatch: Any) -> Program:
    return Program(tmp_path, capsys, monkeypatch)


def adaptive(gates: str, rounds: str = "", rest: str = "", runtimes: str = TWO) -> str:
    text = config(runtimes, gates=gates, warmup=0, rest=rest)
    return re.sub(r"count = 5\n", rounds, text)


def rounds_of(report: dict[str, Any]) -> int:
    return max(trial["round"] for trial in report["trials"])


def test_a_run_ends_when_its_required_gates_are_decided(program: Program) -> None:
    assert program("run", program.write(adaptive(HANGS + SPEED)), "--out", "run").code == 0
    assert rounds_of(program.report()) == 5
    # Equal to the last digit, and close to the bound: that needs as many rounds as show both of two modes.
    assert program("run", program.write(adaptive(TIGHT)), "--out", "tight").code == 0
    assert rounds_of(program.report("tight")) == 8
    [verdict] = program.report("tight")["verdicts"]
    assert (verdict["verdict"], verdict["rounds"]) == ("PASS", 8)


def test_a_gate_on_consistency_is_judged_after_ten_rounds_and_says_so_before(program: Program) -> None:
    done = program("run", program.write(adaptive(EVEN)), "--out", "run")
    assert rounds_of(program.report()) == 10
    assert done.code == 0, done.out
    assert "t: undecided after 9 rounds: even (other)" in done.err
    assert "it is judged after 10, 15 and 20 rounds" not in done.out
    done = program("run", program.write(adaptive(EVEN, "fixed = 4\n")), "--out", "four")
    assert done.code == 3
    assert "4 rounds do not show how much it varies" in " ".join(done.out.split())


def test_advice_alone_gets_no_more_than_the_least_rounds(program: Program) -> None:
    program("run", program.write(adaptive(HANGS + TIGHT + "required = false\n")), "--out", "run")
    assert rounds_of(program.report()) == 5


def test_plan_says_between_which_numbers_a_run_ends(program: Program) -> None:
    out = program("plan", program.write(adaptive(HANGS + SPEED))).out
    assert "10 to 40 trials, until the required gates are decided" in out


def test_a_killed_run_goes_on_to_the_same_end(program: Program) -> None:
    host = program.host()
    host.interrupt_at = 13
    assert program("run", program.write(adaptive(TIGHT)), "--out", "run", host=host).code == 130
    assert program("run", "--resume", "run").code == 0
    assert rounds_of(program.report()) == 8
    assert len(program.report()["trials"]) == 16


def test_a_different_output_in_one_round_is_inconsistent(program: Program) -> None:
    host = program.host(other=Script(text=lambda head: "odd" if head.slot and head.slot.round == 3 else "even"))
    done = program("run", program.write(adaptive(EVEN)), "--out", "run", host=host)
    assert done.code == 1
    assert "its greedy output differs from round to round: 3 of 5 rounds" in " ".join(done.out.split())


def test_the_noise_floor_is_measured_in_the_same_rounds_and_widens_the_interval(program: Program) -> None:
    # The baseline's second place of each round is 10 % slower than its first: this is what the machine shows of itself.
    host = program.host(base=Script(pause_ms=lambda head: 1.0 if head.slot and head.slot.kind == "floor" else 0.0))
    done = program("run", program.write("floor = true\n" + adaptive(TIGHT, "fixed = 8\n")), "--out", "run", host=host)
    report = program.report()
    kinds = [(t["runtime"], t["kind"]) for t in report["trials"] if t["round"] == 1]
    assert sorted(kinds) == [("base", "floor"), ("base", "full"), ("other", "full")]
    [found] = [c for c in report["comparisons"] if c["metric"] == "gen_tps"]
    assert found["floor"]["ratio"] == pytest.approx(10 / 11, rel=0.01)
    assert found["ratio"] == pytest.approx(1.0, rel=0.01)
    assert found["interval"]["low"] == pytest.approx(10 / 11, rel=0.01)
    assert found["interval"]["high"] == pytest.approx(1.1, rel=0.01)
    assert done.code == 3
    assert "noise floor 0.91×" in " ".join(done.out.split())
    assert "floor 0.91×" in (program.folder / "run" / "report.md").read_text(encoding="utf-8")


def test_the_machine_that_disturbs_one_side_alone_decides_nothing(program: Program) -> None:
    def busy(head: Any) -> Meanwhile:
        first = head.slot is not None and head.slot.attempt == 1 and head.runtime == "other"
        return Meanwhile(others_cpu=1.6 if first and head.slot.round <= 6 else 0.1)

    host = program.host()
    host.meanwhile = busy
    done = program("run", program.write(adaptive(TIGHT, "fixed = 12\n")), "--out", "run", host=host)
    assert done.code == 3
    assert "the machine disturbed 0 trials of base and 6 of other" in " ".join(done.out.split())


def test_budgets_that_are_too_close_together_are_warned_of(program: Program) -> None:
    text = adaptive(HANGS).replace("max_tokens = 12", "max_tokens = 12\nshort_tokens = 8")
    out = program("plan", program.write(text)).out
    assert "warning: t: max_tokens = 12 and short_tokens = 8 are too close" in out
    assert "3.6 times as much as a trial" in out
    assert "warning" not in program("plan", program.write(text.replace("short_tokens = 8", "short_tokens = 2"))).out
    # A first run shows that load takes most of a trial.
    far = text.replace("short_tokens = 8", "short_tokens = 2")
    program("run", program.write(far), host=program.host(base=Script(load_ms=500), other=Script()))
    assert "as much as a trial of base; set them further apart" in program("plan", program.write(far)).out
