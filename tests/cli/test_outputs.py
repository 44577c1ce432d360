"""A whole run whose outputs are judged: what each runtime generates and scores decides what its speed is worth."""

from typing import Any

import pytest
from scripted_host import Program, Script, ScriptedHost, config, table

from parity.transcript import Head
from parity_adapters.command import CommandLine

TWO = table("base") + table("other")
GATES = """
[[gates]]
name = "same-answers"
kind = "outputs"

[[gates]]
name = "speed"
kind = "ratio"
metric = "gen_tps"
min_ratio = 0.8
"""


@pytest.fixture(autouse=True)
def scoring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every scripted runtime can score."""
    monkeypatch.setattr(CommandLine, "tasks", frozenset({"generate", "score"}))


def run(program: Program, host: ScriptedHost) -> tuple[int, dict[str, Any]]:
    """The exit code and the report."""
    code = program("run", program.write(config(TWO, gates=GATES)), "--out", "run", host=host).code
    return code, program.report()


def gates(report: dict[str, Any]) -> dict[str, str]:
    return {verdict["gate"]: verdict["verdict"] for verdict in report["verdicts"]}


def near_tie(head: Head, position: int) -> tuple[tuple[int, float], ...]:
    """At the sixth token of the answer, each side finds its own a little likelier."""
    assert head.job is not None
    assert head.job.score is not None
    token = head.job.score.ids[position]
    if position != head.job.score.prompt_tokens + 5:
        return ((token, -0.000001), (0, -14.0))
    own = (106, 999) if head.runtime == "base" else (999, 106)
    return ((own[0], -0.692647), (own[1], -0.693647))


def flipped(head: Head, k: int) -> int:
    return 999 if k == 6 else 100 + k


def test_the_same_answers_pass_and_the_speed_counts(program: Program) -> None:
    code, report = run(program, program.host())
    assert code == 0
    assert [found["verdict"] for found in report["outputs"]] == ["IDENTICAL"]
    assert "positions" in report["outputs"][0]["sentence"]
    assert gates(report) == {"same-answers": "PASS", "speed": "PASS"}


def test_a_runtime_that_is_twice_as_fast_and_wrong_fails(program: Program) -> None:
    host = program.host(other=Script(token_ms=5.0, token_id=flipped))
    code, report = run(program, host)
    assert code == 1
    assert gates(report) == {"same-answers": "FAIL", "speed": "NOT COMPARABLE"}
    [found] = report["outputs"]
    assert found["verdict"] == "WRONG"
    assert "other generated 999 as token 6, and its own scores prefer 106" in found["sentence"]
    shown = program("report", "run").out
    assert "first difference at token 6: 106 (base) and 999 (other)" in " ".join(shown.split())


def test_a_flip_at_a_near_tie_by_both_scores_is_equivalent(program: Program) -> None:
    host = program.host(base=Script(top=near_tie), other=Script(top=near_tie, token_id=flipped, version="2.0"))
    code, report = run(program, host)
    [found] = report["outputs"]
    assert found["verdict"] == "EQUIVALENT", found["sentence"]
    assert found["first_difference"]["position"] == 8
    assert code == 0


def test_the_same_engine_may_not_flip_even_at_a_near_tie(program: Program) -> None:
    host = program.host(base=Script(top=near_tie), other=Script(top=near_tie, token_id=flipped))
    _, report = run(program, host)
    [found] = report["outputs"]
    assert found["verdict"] == "DRIFT"
    assert "both are the same engine" in found["sentence"]


def test_a_report_that_is_computed_again_judges_the_same(program: Program) -> None:
    host = program.host(other=Script(token_id=flipped))
    run(program, host)
    before = (program.folder / "run" / "report.json").read_bytes()
    program("score", "run")
    assert (program.folder / "run" / "report.json").read_bytes() == before
