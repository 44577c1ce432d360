"""The steady state of prefill: a definition that has a row of its own, beside that of the first forward."""

import pytest
from builders import MS, SPAWN_NS, also, job, timeline, transcript, trial
from scripted_host import Program, Script, ScriptedHost, config, table

from parity.adapter import ReadError, read_protocol
from parity.adapter.events import Aside, Bye, Token
from parity.compare import Measured, compare
from parity.records import Comparison, Trial


def side(runtime: str, first: float, steady: float | None) -> list[Trial]:
    good = (trial(runtime, round, {"prompt_tps": first}) for round in (1, 2))
    return [t if steady is None else also(t, "steady-state", {"prompt_tps": steady}) for t in good]


def compared(*trials: Trial) -> list[Comparison]:
    found = compare(Measured(trials), [("m", "t", "one"), ("m", "t", "base")], "base")
    return [c for c in found if c.metric == "prompt_tps"]


def test_both_definitions_are_compared_and_never_with_one_another() -> None:
    first, steady = compared(*side("base", 200, 9000), *side("one", 100, 9000))
    assert (first.definition, first.ratio) == ("token-stamps", pytest.approx(0.5))
    assert (steady.definition, steady.ratio) == ("steady-state", pytest.approx(1.0))


def test_a_side_without_further_prefills_is_compared_by_the_first_forward_alone() -> None:
    [first] = compared(*side("base", 200, 9000), *side("one", 100, None))
    assert (first.definition, first.ratio) == ("token-stamps", pytest.approx(0.5))


def test_a_token_after_further_prefills_is_a_fault_of_the_program() -> None:
    events = timeline()
    late = SPAWN_NS + 200 * MS
    aside = Aside(t_ns=late, begin_ns=late - MS, cpu_s=0.0, peak_rss_bytes=1)
    good = transcript([*events, aside, Bye(t_ns=late, reason="length")])
    assert len(list(read_protocol(good))) == len(events) + 2
    with pytest.raises(ReadError, match="a token follows an aside"):
        list(read_protocol(transcript([*events, aside, Token(t_ns=late + MS, k=4, id=1)])))


def test_an_aside_that_began_before_the_event_ahead_of_it_is_a_fault_of_the_program() -> None:
    aside = Aside(t_ns=SPAWN_NS + 200 * MS, begin_ns=SPAWN_NS + 165 * MS, cpu_s=0.0, peak_rss_bytes=1)
    with pytest.raises(ReadError, match="not between the event before it"):
        list(read_protocol(transcript([*timeline(), aside])))


def test_a_job_asks_for_none_unless_it_is_told() -> None:
    assert job().further_prefills == 0


def test_a_run_shows_and_compares_the_steady_state_in_a_row_of_its_own(program: Program) -> None:
    host = program.host(base=Script(again_ms=2), other=Script(again_ms=4))
    done = program(
        "run", program.write(config(table("base") + table("other"), rounds=2)), "--out", "run", "--full", host=host
    )
    found = {c["definition"]: c for c in program.report()["comparisons"] if c["metric"] == "prompt_tps"}
    assert found["steady-state"]["ratio"] == pytest.approx(0.5)
    assert found["token-stamps"]["ratio"] == pytest.approx(1.0)
    [row] = [line for line in done.out.splitlines() if line.startswith("Steady Prompt Processing ")]
    assert "0.50×" in row
    asked = [(head.slot.warmup, head.job.further_prefills) for head in host.trials if head.slot and head.job]
    assert asked == [(True, 0)] * 2 + [(False, 3)] * 4
    assert {head.job.further_prefills for head in host.asked if head.purpose == "proof" and head.job} == {0}


def gates(definition: str) -> str:
    return (
        '[[gates]]\nname = "first"\nkind = "ratio"\nmetric = "prompt_tps"\nmin_ratio = 0.7\n'
        f'[[gates]]\nname = "steady"\nkind = "ratio"\nmetric = "prompt_tps"\ndefinition = "{definition}"\n'
        "min_ratio = 0.7\n"
        f'[[gates]]\nname = "bound"\nkind = "bound"\nmetric = "prompt_tps"\ndefinition = "{definition}"\nmin = 1000\n'
    )


def verdicts(program: Program, host: ScriptedHost, definition: str = "steady-state") -> dict[str, tuple[str, str]]:
    text = config(table("base") + table("other"), rounds=5, gates=gates(definition))
    program("run", program.write(text), "--out", "run", host=host)
    return {v["gate"]: (v["verdict"], v["sentence"]) for v in program.report()["verdicts"]}


def test_a_gate_reads_the_definition_that_it_names(program: Program) -> None:
    found = verdicts(program, program.host(base=Script(again_ms=2), other=Script(again_ms=4)))
    assert (found["first"][0], found["steady"][0], found["bound"][0]) == ("PASS", "FAIL", "FAIL")


def test_a_gate_on_a_definition_that_a_side_lacks_decides_nothing(program: Program) -> None:
    found = verdicts(program, program.host(base=Script(again_ms=2)))
    assert {gate: verdict for gate, (verdict, _) in found.items() if gate != "first"} == {
        "steady": "NOT COMPARABLE",
        "bound": "NOT COMPARABLE",
    }
    assert "compared by token-stamps, and not by steady-state" in found["steady"][1]
    assert "was measured by token-stamps, and not by steady-state" in found["bound"][1]


def test_a_definition_that_the_metric_does_not_have_is_refused_with_those_it_has(program: Program) -> None:
    text = config(table("base") + table("other"), gates=gates("steady-stat"))
    done = program("plan", program.write(text))
    assert done.code == 2
    assert "gates.steady.definition" in done.err
    assert "steady-state" in done.err
