"""What can be done with a run that is over: rounds that are added, judged by the same sequence, and other gates."""

import json
import re

import pytest
from scripted_host import HANGS, SPEED, Program, Script, config, table

TWO = table("base", "prove = false") + table("other", "prove = false")
CLOSE = '[[gates]]\nname = "close"\nkind = "ratio"\nmetric = "gen_tps"\nmin_ratio = 1.0\n'
EVEN = '[[gates]]\nname = "even"\nkind = "consistency"\n'


def text(gates: str, rounds: str, rest: str = "") -> str:
    return re.sub(r"count = 5\n", rounds, config(TWO, gates=gates, warmup=0, rest=rest))


def rounds_of(program: Program, run: str = "run") -> int:
    return max(trial["round"] for trial in program.report(run)["trials"])


def verdict(program: Program, gate: str, run: str = "run") -> str:
    [found] = [v["verdict"] for v in program.report(run)["verdicts"] if v["gate"] == gate]
    return str(found)


def test_an_undecided_run_gets_more_rounds_until_it_is_decided(program: Program) -> None:
    tight = '[[gates]]\nname = "tight"\nkind = "ratio"\nmetric = "gen_tps"\nmin_ratio = 0.95\n'
    case = program.write(text(tight, "max = 6\n"))
    assert program("run", case, "--out", "run").code == 3
    assert rounds_of(program) == 6
    done = program("run", "--add-rounds", "10", "run")
    assert done.code == 0, done.err
    assert rounds_of(program) == 8
    report = program.report()
    assert report["options"] == ["--add-rounds 10"]
    assert "--add-rounds 10" in program("report", "run").out
    page = (program.folder / "run" / "report.html").read_text(encoding="utf-8")
    assert "--only base --only other --test t" in page
    assert "--test t --add-rounds" not in page
    # A run that was to have so many rounds from the start came to the same end.
    assert program("run", program.write(text(tight, "max = 16\n")), "--out", "whole").code == 0
    assert [v["sentence"] for v in report["verdicts"]] == [v["sentence"] for v in program.report("whole")["verdicts"]]
    assert program("score", "run").code == 0


def test_rounds_can_be_added_again_and_an_interrupted_addition_goes_on(program: Program) -> None:
    rough = Script(pause_ms=lambda head: 2.0 * (head.slot.round % 3) if head.slot is not None else 0.0)
    case, calm = program.write(text(CLOSE, "max = 5\n")), program.host(other=rough)
    assert program("run", case, "--out", "run", host=calm).code == 3
    assert program("run", "--add-rounds", "2", "run", host=calm).code == 3
    host = program.host(other=rough)
    host.interrupt_at = 3
    done = program("run", "--add-rounds", "2", "run", host=host)
    assert done.code == 130, done.err
    done = program("run", "--add-rounds", "2", "run", host=calm)
    assert done.code == 2
    assert "parity run --resume run" in done.err
    assert program("run", "--resume", "run", host=calm).code == 3
    assert rounds_of(program) == 9
    assert program.report()["options"] == ["--add-rounds 4"]


@pytest.mark.parametrize(
    ("rounds", "options"),
    [("fixed = 5\n", ()), ("count = 5\n", ()), ("max = 9\n", ("--rounds", "5")), ("", ("--set", "rounds.fixed=5"))],
)
def test_a_run_that_was_judged_once_gets_no_second_judgement_with_more_rounds(
    program: Program, rounds: str, options: tuple[str, ...]
) -> None:
    case = program.write(text(SPEED, rounds))
    assert program("run", case, "--out", "run", *options).code == 0
    before = {path: path.read_bytes() for path in (program.folder / "run").rglob("*") if path.is_file()}
    done = program("run", "--add-rounds", "3", "run")
    assert done.code == 2
    assert "run: can't be given more rounds: it has a fixed number of rounds (5)" in done.err
    assert "run the config anew with `rounds.max = 8` and no fixed number" in done.err
    assert {path: path.read_bytes() for path in (program.folder / "run").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("options", [("--quick",), ("--rounds", "4")])
def test_a_run_of_too_few_rounds_for_a_verdict_is_judged_after_each_round_that_is_added(
    program: Program, options: tuple[str, ...]
) -> None:
    assert program("run", program.write(text(SPEED + EVEN, "")), "--out", "run", *options).code == 3
    ran = rounds_of(program)
    program("run", "--add-rounds", "8", "run")
    assert rounds_of(program) == ran + 8
    assert (verdict(program, "speed"), verdict(program, "even")) == ("PASS", "INCONCLUSIVE")
    advice = {v["gate"]: v["advice"] for v in program.report()["verdicts"]}
    assert advice["even"].startswith("rounds that were added later don't count for it")
    rounds = json.loads((program.folder / "run" / "run.json").read_text())["loaded"]["config"]["rounds"]
    assert (rounds["fixed"], rounds["count"], rounds["max"], rounds["planned"]) == (None, None, ran + 8, ran)


def test_a_run_without_gates_gets_as_many_as_are_asked_for(program: Program) -> None:
    assert program("run", program.write(text("", "")), "--out", "run").code == 0
    assert program("run", "--add-rounds", "3", "run").code == 0
    assert rounds_of(program) == 8


def test_a_gate_that_is_judged_at_set_numbers_of_rounds_takes_no_further_look(program: Program) -> None:
    rough = Script(pause_ms=lambda head: 0.8 * (head.slot.round % 3) if head.slot is not None else 0.0)
    host = program.host(other=rough)
    assert program("run", program.write(text(EVEN, "max = 10\n")), "--out", "run", host=host).code == 3
    before = program.report()["verdicts"][0]
    program("run", "--add-rounds", "10", "run", host=host)
    after = program.report()["verdicts"][0]
    assert rounds_of(program) == 20
    assert (after["verdict"], after["value"], after["rounds"]) == ("INCONCLUSIVE", before["value"], 10)
    assert "rounds that were added later don't count for it" in after["sentence"]


@pytest.mark.parametrize("options", [("--rounds", "3"), ("--out", "x"), ("--resume", "run"), ("--only", "base")])
def test_rounds_are_added_to_a_run_as_it_was(program: Program, options: tuple[str, str]) -> None:
    program("run", program.write(text(HANGS, "fixed = 1\n")), "--out", "run")
    assert program("run", "--add-rounds", "1", "run", *options).code == 2


def test_no_round_is_added_to_a_run_whose_config_changed(program: Program) -> None:
    program("run", program.write(text(HANGS, "fixed = 1\n")), "--out", "run")
    program.write(text(HANGS, "fixed = 1\n").replace("max_tokens = 12", "max_tokens = 13"))
    done = program("run", "--add-rounds", "1", "run")
    assert done.code == 2
    assert "can't be given more rounds" in done.err
    assert "max_tokens: was 12 and is 13" in done.err


def test_a_run_is_judged_by_other_gates_which_the_report_marks_and_nothing_is_written(program: Program) -> None:
    assert program("run", program.write(text(SPEED, "fixed = 5\n")), "--out", "run").code == 0
    before = {path: path.read_bytes() for path in (program.folder / "run").rglob("*") if path.is_file()}
    program.write('[[gates]]\nname = "twice"\nkind = "ratio"\nmetric = "gen_tps"\nmin_ratio = 2\n', "twice.toml")
    done = program("score", "run", "--gates", "twice.toml")
    assert done.code == 1
    said = " ".join(done.out.split())
    assert "FAIL twice" in said
    assert "Judged by the gates of twice.toml, which were chosen after the run" in said
    shown = json.loads(program("score", "run", "--gates", "twice.toml", "--json").out)
    assert shown["gates_from"] == "twice.toml"
    assert [v["gate"] for v in shown["verdicts"]] == ["twice"]
    assert {path: path.read_bytes() for path in (program.folder / "run").rglob("*") if path.is_file()} == before
    assert program("score", "run").code == 0


def test_other_gates_of_a_run_of_a_part_are_judged_on_that_part_alone(program: Program) -> None:
    """A runtime that stands in for the baseline in tables is none for a gate."""
    case, host = program.write(config(TWO + table("third"), gates=HANGS)), program.host(third=Script(token_ms=30))
    assert program("run", case, "--out", "run", "--only", "other,third", host=host).code == 0
    program.write(CLOSE.replace("1.0", "0.1") + HANGS, "gates.toml")
    done = program("score", "run", "--gates", "gates.toml", "--json")
    assert done.code == 4
    found = {(v["gate"], v["runtime"]): v["verdict"] for v in json.loads(done.out)["verdicts"]}
    assert found == {
        ("close", "other"): "NOT RUN",
        ("close", "third"): "NOT RUN",
        ("hangs", "other"): "PASS",
        ("hangs", "third"): "PASS",
    }
    assert "the baseline base is not selected" in done.out
    assert program("run", case, "--out", "with", "--only", "base,other", host=host).code == 0
    done = program("score", "with", "--gates", "gates.toml", "--json")
    assert done.code == 0
    assert json.loads(done.out)["not_selected"] == ["close (third on t)", "hangs (third on t)"]


def test_gates_that_are_chosen_later_leave_a_run_that_is_over_as_it_ended(program: Program) -> None:
    """What these leave undecided makes no round due."""
    assert program("run", program.write(text(SPEED, "max = 6\n")), "--out", "run").code == 0
    program.write(CLOSE, "close.toml")
    done = program("score", "run", "--gates", "close.toml", "--json")
    assert done.code == 3
    report = json.loads(done.out)
    assert report["not_run"] == []
    assert [v["verdict"] for v in report["verdicts"]] == ["INCONCLUSIVE"]
    assert "interrupted" not in program("score", "run", "--gates", "close.toml", "--full").out


def test_gates_that_are_chosen_later_leave_the_reason_why_trials_were_not_run(program: Program) -> None:
    host = program.host(base=Script(fault=lambda head: "crash" if head.purpose == "trial" else None))
    assert program("run", program.write(config(TWO, gates=SPEED)), "--out", "run", host=host).code == 4
    before = program.report()["not_run"]
    assert before
    program.write(HANGS, "hangs.toml")
    report = json.loads(program("score", "run", "--gates", "hangs.toml", "--json").out)
    assert report["not_run"] == before


@pytest.mark.parametrize(
    ("gates", "wrong"),
    [
        ("", "gates: is missing"),
        ("baseline = 'base'\n" + SPEED, "baseline: unknown key"),
        (SPEED + 'runtimes = ["othre"]\n', "gates.speed.runtimes: 'othre' is not known"),
        (SPEED + SPEED, "gates.speed: the name is given 2 times"),
        (SPEED.replace("gen_tps", "gen_tsp"), "did you mean 'gen_tps'?"),
    ],
)
def test_gates_that_are_not_valid_are_told(program: Program, gates: str, wrong: str) -> None:
    program("run", program.write(text(HANGS, "fixed = 1\n")), "--out", "run")
    program.write(gates, "gates.toml")
    done = program("score", "run", "--gates", "gates.toml")
    assert done.code == 2
    assert wrong in done.err
