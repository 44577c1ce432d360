"""`parity plan`: the cells, their order, and how long a run may take, without running or fetching anything."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from model_files import gguf_bytes
from scripted_host import HANGS, MODEL, Program, config, table

from parity_adapters.command import CommandLine

TWO = table("base") + table("other")
CASE = config(TWO)


def plan(program: Program, text: str = CASE) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(program("plan", program.write(text), "--json").out)
    return found


def newest_run(program: Program) -> Path:
    return max((program.folder / ".parity" / "runs").iterdir())


def test_every_trial_is_listed_in_its_order(program: Program) -> None:
    trials = plan(program)["trials"]
    assert [(slot["warmup"], slot["round"]) for slot in trials] == [
        (warmup, number) for warmup, number in ((True, 1), *((False, k) for k in range(1, 6))) for _ in range(2)
    ]
    host = program.host()
    program("run", "case.toml", "--out", "run", host=host)
    assert [head.slot.model_dump() for head in host.trials if head.slot] == trials


def test_it_shows_two_rounds_in_full_and_counts_the_others(program: Program) -> None:
    lines = program("plan", program.write(config(TWO, rounds=5))).out.splitlines()
    assert [line.partition(":")[0] for line in lines if line.startswith(("warm-up", "round", "at the end"))] == [
        "warm-up 1",
        "round 1",
        "round 2",
    ]
    assert "… and 3 more rounds (--json has all)" in lines


def test_short_budgets_and_whole_trials_are_marked(program: Program) -> None:
    text = config(table("base") + table("other", "whole_trials = 1"), rounds=1, warmup=0)
    out = program("plan", program.write(text.replace("max_tokens = 12", "max_tokens = 12\nshort_tokens = 4"))).out
    [first] = [line for line in out.splitlines() if line.startswith("round 1")]
    assert first.count("(short)") == 2
    assert "at the end: t/other (whole)" in out
    assert "5 trials in all" in out


def test_the_baseline_is_named_and_the_trials_of_each_cell_are_counted(program: Program) -> None:
    out = program("plan", program.write(CASE)).out
    rows = [line.split() for line in out.splitlines() if line.startswith("m ")]
    assert sorted(rows) == [["m", "t", "base", "(baseline)", "6"], ["m", "t", "other", "6"]]


def test_before_a_first_run_the_time_is_not_known(program: Program) -> None:
    out = program("plan", program.write(CASE + "\n[limits]\ntotal_s = 60\n")).out
    assert "12 trials in all; how long they take is known after a first run" in out
    assert "limits.total_s ends one that hangs" in out


def test_after_a_run_its_mean_times_are_the_estimate(program: Program) -> None:
    program("run", program.write(CASE))
    found = plan(program)
    took = {
        (trial["runtime"], m["value"])
        for line in (newest_run(program) / "results.jsonl").read_text(encoding="utf-8").splitlines()
        for trial in [json.loads(line)]
        for m in trial["measurements"]
        if m["metric"] == "wall_s"
    }
    assert found["estimate_s"] == pytest.approx(12 * sum(value for _, value in took) / len(took), rel=0.01)
    assert found["estimated_from"] == newest_run(program).name
    assert f"about 2 s, as in {newest_run(program).name}" in program("plan", "case.toml").out


def scored(prompt: str = "hello", rounds: int = 2) -> str:
    gate = '\n[[gates]]\nname = "same-answers"\nkind = "outputs"\nrequired = false\n'
    return config(TWO, rounds=rounds, gates=HANGS + gate).replace('prompt = "hello"', f'prompt = "{prompt}"')


def test_a_score_is_expected_to_take_as_long_as_in_an_earlier_run(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CommandLine, "tasks", frozenset({"generate", "score"}))
    program("run", program.write(scored()))
    before = plan(program, scored())
    path = newest_run(program) / "results.jsonl"
    trials = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    scores = [trial for trial in trials if trial["task"] == "score"]
    assert len(scores) == 2
    slower = [trial | {"wall_s": trial["wall_s"] + 100.0} if trial in scores else trial for trial in trials]
    path.write_text("".join(json.dumps(trial) + "\n" for trial in slower), encoding="utf-8")
    assert plan(program, scored())["estimate_s"] == pytest.approx(before["estimate_s"] + 200.0)


def test_the_bound_of_a_score_grows_with_the_sequence(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CommandLine, "tasks", frozenset({"generate", "score"}))
    short, long = (plan(program, scored(prompt)) for prompt in ("hello", "a " * 1018))
    trials = len(short["trials"])
    assert short["at_most_s"] == trials * 600.0
    scores = sum(slot["task"] == "score" for slot in long["trials"])
    assert scores == 4
    assert long["at_most_s"] == (trials - scores) * 600.0 + scores * 4 * 600.0


def test_a_run_of_a_changed_config_gives_no_estimate(program: Program) -> None:
    program("run", program.write(CASE))
    assert plan(program, CASE.replace("max_tokens = 12", "max_tokens = 13"))["estimate_s"] is None


@pytest.mark.parametrize("damaged", ["run.json", "results.jsonl"])
@pytest.mark.parametrize("text", [None, "", '{"half', "[]"])
def test_a_damaged_run_gives_no_estimate_and_no_error(program: Program, damaged: str, text: str | None) -> None:
    program("run", program.write(CASE))
    path = newest_run(program) / damaged
    path.unlink()
    if text is not None:
        path.write_text(text, encoding="utf-8")
    assert plan(program)["estimate_s"] is None


def test_a_model_that_must_be_fetched_is_said_to_be_fetched_by_the_run(program: Program) -> None:
    text = CASE.replace(MODEL, "hf://nobody/nothing/none.gguf")
    assert plan(program, text)["models"] == {"m": None}
    assert "model m: not here yet; the run will fetch it" in program("plan", "case.toml").out


def test_every_model_that_no_run_could_fetch_is_named_with_its_key(program: Program) -> None:
    second = '[[models]]\nname = "n"\nsource = "gone-too.gguf"\n\n[[tests]]'
    text = CASE.replace(MODEL, "gone.gguf").replace("[[tests]]", second, 1)
    done = program("plan", program.write(text))
    assert (done.code, done.out) == (2, "")
    assert "models.m.source" in done.err
    assert "models.n.source" in done.err


def test_an_optional_runtime_that_is_not_set_is_named_and_not_planned(program: Program) -> None:
    unset = table("third", "optional = true").replace('program = "third"', 'program = "${NOT_SET_HERE:-}"')
    found = plan(program, config(TWO + unset))
    assert found["not_set"] == ["third"]
    assert {slot["runtime"] for slot in found["trials"]} == {"base", "other"}
    assert "not set here: third (optional)" in program("plan", "case.toml").out


def pinned(program: Program, sha256: str) -> str:
    (program.folder / "model.gguf").write_bytes(gguf_bytes())
    text = CASE.replace(f'source = "{MODEL}"', f'source = "model.gguf"\nsha256 = "{sha256}"')
    assert sha256 in text
    return text


def test_a_model_that_is_not_the_pinned_one_is_refused_before_any_run(program: Program) -> None:
    done = program("plan", program.write(pinned(program, "0" * 64)))
    assert done.code == 2
    assert f"the config pins {'0' * 64}" in done.err
    right = hashlib.sha256(gguf_bytes()).hexdigest()
    assert program("plan", program.write(pinned(program, right))).code == 0


@pytest.mark.parametrize("odd", ["a pipe", "a device"])
def test_a_model_that_is_no_file_is_refused_before_any_run(program: Program, odd: str) -> None:
    path = program.folder / "model.gguf"
    if odd == "a pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    done = program("plan", program.write(CASE.replace(MODEL, "model.gguf")))
    assert (done.code, done.out) == (2, "")
    assert "models.m.source" in done.err
    assert "neither a file nor a folder" in done.err
