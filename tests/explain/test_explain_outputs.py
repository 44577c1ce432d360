"""`parity explain RUN CELL`: how a verdict on outputs came about."""

import json
import re
from typing import Any

import jsonschema
import pytest
from scripted_host import Program, Script, certain, config, table

from parity.cli.schemas import schema_of
from parity.transcript import Head
from parity_adapters.command import CommandLine

GATES = '[[gates]]\nname = "same-answers"\nkind = "outputs"\n'
UNPROVED = table("base", "prove = false") + table("other", "prove = false")
CASE = config(UNPROVED, rounds=1, warmup=0, gates=GATES)


@pytest.fixture
def drifting(program: Program, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A run in which `other` prefers 999 as token 6 by its scores, and generates what `base` does."""
    monkeypatch.setattr(CommandLine, "tasks", frozenset({"generate", "score"}))

    def top(head: Head, position: int) -> tuple[tuple[int, float], ...]:
        [(own, _), _] = certain(head, position)
        if position == 8:
            return ((999, -0.051293), (own, -2.995732))
        return ((own, -0.051293), (999, -2.995732)) if position == 11 else certain(head, position)

    host = program.host(other=Script(top=top, version="2.0"))
    assert program("run", program.write(CASE), "--out", "run", host=host).code == 1
    return program


def test_a_cell_shows_rungs_trials_distances_and_the_farthest_position(drifting: Program) -> None:
    text = drifting("explain", "run", "other").out
    assert "\nOutputs\n-------\n" in text
    rungs = {line.split()[0]: line.split()[1] for line in text.splitlines() if line.startswith(("prompt ", "scores "))}
    assert rungs == {"prompt": "same", "scores": "differs"}
    said = " ".join(text.split())
    assert "trials/0003-m-t-base-r1-score.jsonl: base, the sequence that all score: 15 ids" in said
    assert "trials/0004-m-t-other-r1-score.jsonl: other, the sequence that all score: 15 ids" in said
    # log 0.05, less what the baseline lacks of certainty.
    assert "|Δ log p|, at position 8 3 0.915 1.83" in said
    assert "Farthest apart at position 8 (token 6 of the continuation, id 106)" in said
    assert "base: 106 -0.0000, 0 -14.0000" in said
    assert "other: 999 -0.0513, 106 -2.9957" in said
    assert "parity bisect run other" in said


def test_the_json_form_holds_the_verdict_and_both_lists(drifting: Program) -> None:
    found: dict[str, Any] = json.loads(drifting("explain", "run", "other", "--json").out)
    jsonschema.validate(found, json.loads(schema_of("explanation")))
    outputs = found["outputs"]
    assert outputs["verdict"]["verdict"] == "DRIFT"
    assert [(trial["runtime"], trial["failure"]) for trial in outputs["scored"]] == [("base", None), ("other", None)]
    assert (outputs["farthest"]["position"], outputs["farthest"]["ours"][0]) == (8, [999, -0.051293])
    assert outputs["farthest"]["kl"] == pytest.approx(2.9957, abs=1e-3)


def test_the_baselines_own_cell_names_its_trial_alone(drifting: Program) -> None:
    found: dict[str, Any] = json.loads(drifting("explain", "run", "base", "--json").out)["outputs"]
    assert (found["verdict"], found["farthest"]) == (None, None)
    assert [trial["runtime"] for trial in found["scored"]] == ["base"]


def test_a_trial_that_failed_to_score_says_why(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CommandLine, "tasks", frozenset({"generate", "score"}))
    crash = Script(fault=lambda head: "crash" if head.slot is not None and head.slot.task == "score" else None)
    program("run", program.write(CASE), "--out", "run", host=program.host(other=crash))
    text = " ".join(program("explain", "run", "other").out.split())
    assert "other, the sequence that all score: crash:SIGSEGV" in text
    assert "Farthest" not in text
    assert "parity bisect" not in text


def test_a_text_that_others_score_is_named_by_its_runtime(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """`base` scores, and `other` shows its text alone."""
    monkeypatch.setattr(
        CommandLine,
        "tasks",
        property(lambda self: frozenset({"generate", "score"} if self.settings.program == "base" else {"generate"})),
    )
    monkeypatch.setattr(CommandLine, "needs_tokenizer", True)
    other = Script(text=lambda head: "the 12 in", text_alone=True)
    program("run", program.write(CASE), "--out", "run", host=program.host(other=other))
    text = " ".join(program("explain", "run", "other").out.split())
    assert "base, the sequence that all score: 15 ids" in text
    assert re.search(r"base, the text of other: \d+ ids", text)


def test_a_run_without_a_gate_on_outputs_has_no_section_on_them(program: Program) -> None:
    program("run", program.write(CASE.replace(GATES, "")), "--out", "run", host=program.host())
    assert "Outputs" not in program("explain", "run", "other").out
