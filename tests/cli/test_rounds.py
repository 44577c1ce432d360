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


def test_a_job_may_take_inconclusive_for_success_and_no_verdict_changes(program: Program) -> None:
    case = program.write(adaptive(EVEN, "fixed = 4\n"))
    done = program("run", case, "--out", "run", "--inconclusive-ok")
    assert done.code == 0
    assert "parity: exit code 0: --inconclusive-ok, although required gates are undecided: even (other, t)" in done.err
    assert program.report()["exit"]["code"] == 3
    assert "INCONCLUSIVE" in done.out
    assert program("score", "run").code == 3
    assert program("score", "run", "--inconclusive-ok").code == 0


@pytest.mark.parametrize(("script", "code"), [(Script(tokens=13), 3), (Script(token_ms=90), 1)])
def test_what_is_worse_than_inconclusive_keeps_its_exit_code(program: Program, script: Script, code: int) -> None:
    host = program.host(other=script)
    done = program("run", program.write(adaptive(HANGS + SPEED)), "--out", "run", "--inconclusive-ok", host=host)
    assert done.code == code
    assert "inconclusive-ok" not in done.err


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
    done = program(
        "run", program.write("floor = true\n" + adaptive(TIGHT, "fixed = 8\n")), "--out", "run", "--full", host=host
    )
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
    assert "the machine disturbed 0 rounds of base and 6 of other" in " ".join(done.out.split())


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


def floored(program: Program, out: str, base: Script, rest: str = "") -> Any:
    other = Script(settings=base.settings, pause_ms=lambda head: 2.0)
    text = "floor = true\n" + adaptive(TIGHT.replace("0.95", "0.8"), "fixed = 10\n", rest)
    program("run", program.write(text), "--out", out, host=program.host(base=base, other=other))
    [verdict] = program.report(out)["verdicts"]
    return verdict


def slower_second(head: Any) -> float:
    return 4.0 if head.slot and head.slot.kind == "floor" else 0.0


def test_a_declared_difference_leaves_the_noise_floor_as_it_is(program: Program) -> None:
    alike = {"device": "cpu", "threads": 2, "kv_type": "f16"}
    plain = floored(program, "plain", Script(settings=lambda head: alike, pause_ms=slower_second))
    warm = Script(settings=lambda head: {**alike, "temperature": 0.7}, pause_ms=slower_second)
    declared = '[[declare]]\nfact = "sampling"\nruntimes = ["base", "other"]\nreason = "intended"\n'
    found = floored(program, "declared", warm, declared)
    assert plain["interval"] == found["interval"]
    assert (plain["verdict"], found["verdict"]) == ("INCONCLUSIVE", "INCONCLUSIVE")
    assert "noise floor 0.716×" in found["sentence"]


def test_a_noise_floor_that_is_asked_for_and_missing_keeps_a_gate_from_passing(program: Program) -> None:
    def settings(head: Any) -> dict[str, Any]:
        second = head.slot and head.slot.kind == "floor"
        return {"device": "cpu", "threads": 2, "kv_type": "q8_0" if second else "f16"}

    verdict = floored(program, "run", Script(settings=settings))
    assert verdict["verdict"] == "NOT COMPARABLE"
    assert "`floor = true` asks for a noise floor, and there is none" in verdict["sentence"]
    assert "key-value cache type" in verdict["sentence"]


@pytest.mark.parametrize(("metric", "definition"), [("total_s", "start-to-text"), ("gen_tps", "two-budgets")])
@pytest.mark.parametrize(("token_ms", "verdict"), [(10.0, "PASS"), (30.0, "FAIL")])
def test_a_ratio_is_judged_by_the_definition_that_its_gate_names(
    program: Program, metric: str, definition: str, token_ms: float, verdict: str
) -> None:
    bound = "max_ratio = 1.5" if metric == "total_s" else "min_ratio = 0.6"
    gate = f'[[gates]]\nname = "g"\nkind = "ratio"\nmetric = "{metric}"\ndefinition = "{definition}"\n{bound}\n'
    text = adaptive(gate, "fixed = 10\n").replace("max_tokens = 12", "max_tokens = 50\nshort_tokens = 10")
    host = program.host(other=Script(token_ms=token_ms))
    program("run", program.write("floor = true\n" + text), "--out", "run", host=host)
    [found] = program.report()["verdicts"]
    assert found["verdict"] == verdict, found["sentence"]


def test_the_time_of_failed_trials_counts_towards_the_cap(program: Program) -> None:
    hangs = Script(fault=lambda head: "hang" if head.slot and head.slot.round % 2 == 0 else None)
    even = EVEN + 'runtimes = ["base"]\nmax_cv = 0.0001\n'
    uneven = Script(pause_ms=lambda head: (head.slot.round * 7 % 5) * 3.0 if head.slot else 0.0)
    text = adaptive(even, "max = 20\nmax_s = 60\n")
    program("run", program.write(text), "--out", "run", host=program.host(base=uneven, other=hangs))
    assert rounds_of(program.report()) == 5
    assert max(trial["wall_s"] for trial in program.report()["trials"]) > 60


@pytest.mark.parametrize(("figures", "verdict"), [(("10", "8"), "INCONCLUSIVE"), (("10.00", "8.20"), "PASS")])
def test_a_figure_is_as_exact_as_the_digits_of_its_event(
    program: Program, monkeypatch: pytest.MonkeyPatch, figures: tuple[str, str], verdict: str
) -> None:
    host = program.host()
    answer = host._answer

    def figures_alone(script: Script, request: Any, fault: str | None) -> Any:
        for line in answer(script, request, fault):
            if '"ev": "token"' not in line:
                yield line
            elif '"k": 1,' in line:
                figure = figures[request.head.runtime == "other"]
                at = re.search(r'"t_ns": \d+', line)
                assert at is not None
                yield (
                    f'{{"ev": "report", {at[0]}, "metric": "gen_tps", "definition": "own", "value": {figure}, '
                    '"unit": "token/s"}'
                )

    monkeypatch.setattr(host, "_answer", figures_alone)
    builds = table("base", 'prove = false\nfigures_by = "bench"') + table(
        "other", 'prove = false\nfigures_by = "bench"'
    )
    text = adaptive(TIGHT.replace("0.95", "0.8"), "fixed = 8\n", runtimes=builds)
    program("run", program.write(text), "--out", "run", host=host)
    [found] = program.report()["verdicts"]
    assert found["verdict"] == verdict, found["sentence"]
    assert "token count (base, other)" in found["unproven"]
