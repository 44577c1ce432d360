"""Trials that score an answer: of which sequence, by which runtimes, when, and what is kept of them."""

import json
from pathlib import Path

import pytest
from run_files import transcripts
from scripted_host import HANGS, KilledError, Meanwhile, Program, Script, ScriptedHost, config, table

from parity.records import Trial
from parity.run.log import RunFolder
from parity.run.score import recorded_runtimes, recorded_state
from parity.run.session import LOCAL, make_adapters
from parity_adapters.command import CommandLine

TWO = table("base") + table("other")
PROMPT = (1, 2, 3)
ANSWER = tuple(range(101, 113))
OTHER = tuple(range(201, 213))
GATES = HANGS + '[[gates]]\nname = "same-answers"\nkind = "outputs"\nrequired = false\n'


@pytest.fixture(autouse=True)
def scoring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every scripted runtime can score."""
    monkeypatch.setattr(CommandLine, "tasks", frozenset({"generate", "score"}))


def run(program: Program, host: ScriptedHost, *options: str, text: str | None = None) -> int:
    written = program.write(text if text is not None else config(TWO, gates=GATES))
    return program("run", written, "--out", "run", *options, host=host).code


def tasks(host: ScriptedHost) -> list[tuple[str, str]]:
    """Task and runtime of every trial, in order."""
    return [(head.slot.task, head.slot.runtime) for head in host.trials if head.slot is not None]


def sequences(host: ScriptedHost) -> list[tuple[int, ...]]:
    """The ids of every trial that scores, in order."""
    return [head.job.score.ids for head in host.trials if head.job is not None and head.job.score is not None]


def trials(folder: Path) -> list[Trial]:
    """The trials of a run as its transcripts show them."""
    found = RunFolder.open(folder)
    run = found.read_run()
    prepared = recorded_runtimes(found, make_adapters(run.loaded, run.hosts[LOCAL]))
    return list(recorded_state(found, run, prepared).trials)


@pytest.mark.parametrize(("prompt", "total_s"), [(3, 600.0), (1012, 1200.0)])
def test_a_score_of_a_long_sequence_has_longer_in_all(program: Program, prompt: int, total_s: float) -> None:
    script = Script(prompt_ids=tuple(range(1, prompt + 1)))
    host = program.host(base=script, other=script)
    assert run(program, host) == 0
    limits = {r.head.job.task: r.limits.total_s for r in host.requests if r.head.job is not None}
    assert limits == {"generate": 600.0, "score": total_s}


def test_every_runtime_scores_the_baselines_answer_once_after_the_rounds(program: Program) -> None:
    host = program.host()
    assert run(program, host) == 0
    assert tasks(host)[:-2] == [("generate", runtime) for _, runtime in tasks(host)[:-2]]
    assert tasks(host)[-2:] == [("score", "base"), ("score", "other")]
    assert sequences(host) == [PROMPT + ANSWER, PROMPT + ANSWER]
    for head in host.trials[-2:]:
        assert head.job is not None
        assert head.job.score is not None
        assert head.job.score.prompt_tokens == len(PROMPT)
    assert next(name for name in transcripts(program.folder / "run") if "score" in name).endswith(
        "m-t-base-r1-score.jsonl"
    )


def test_what_was_scored_is_read_by_position(program: Program) -> None:
    run(program, program.host())
    scored = [trial for trial in trials(program.folder / "run") if trial.task == "score"]
    assert [trial.failure for trial in scored] == [None, None]
    for trial in scored:
        assert [score.position for score in trial.scores] == list(range(1, len(PROMPT + ANSWER)))
        assert tuple(score.id for score in trial.scores) == (PROMPT + ANSWER)[1:]
        assert (trial.scores[0].logprob, trial.scores[0].top[1]) == (-0.000001, (0, -14.0))
        assert trial.measurements == ()
        assert trial.identity is not None
        assert trial.identity.weights_sha256 is not None
    generated = next(trial for trial in trials(program.folder / "run") if trial.is_measured)
    assert (generated.prompt_ids, generated.output_ids) == (PROMPT, ANSWER)


def test_a_baseline_that_shows_no_ids_leaves_the_sequence_to_the_next_runtime(program: Program) -> None:
    host = program.host(base=Script(prompt_ids=()), other=Script(token_id=lambda head, k: 200 + k))
    run(program, host)
    assert sequences(host)[-1] == PROMPT + OTHER


def test_a_runtime_that_answered_otherwise_scores_its_own_answer_too(program: Program) -> None:
    host = program.host(other=Script(token_id=lambda head, k: 200 + k))
    run(program, host)
    assert tasks(host)[-3:] == [("score", "base"), ("score", "other"), ("score", "other")]
    assert sequences(host) == [PROMPT + ANSWER, PROMPT + ANSWER, PROMPT + OTHER]
    scored = [trial for trial in trials(program.folder / "run") if trial.task == "score"]
    assert [trial.round for trial in scored] == [1, 1, 2]


def test_nothing_is_scored_for_a_gate_on_a_runtime_that_is_not_set(program: Program) -> None:
    third = table("third", "optional = true").replace('program = "third"', 'program = "${NOWHERE:-}"')
    gates = GATES.replace('kind = "outputs"', 'kind = "outputs"\nruntimes = ["third"]')
    host = program.host()
    run(program, host, text=config(TWO + third, gates=gates))
    assert {task for task, _ in tasks(host)} == {"generate"}


def test_nothing_is_scored_where_no_runtime_shows_ids(program: Program) -> None:
    host = program.host(base=Script(prompt_ids=()), other=Script(prompt_ids=()))
    run(program, host)
    assert {task for task, _ in tasks(host)} == {"generate"}


def test_nothing_is_scored_of_a_test_that_samples(program: Program) -> None:
    host = program.host()
    run(program, host, text=config(TWO, gates=GATES).replace("max_tokens = 12", "max_tokens = 12\ntemperature = 0.5"))
    assert {task for task, _ in tasks(host)} == {"generate"}


def test_a_runtime_that_cannot_score_is_not_asked_to(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CommandLine, "tasks", frozenset({"generate"}))
    host = program.host()
    assert run(program, host) == 0
    assert {task for task, _ in tasks(host)} == {"generate"}


def test_a_run_that_was_cut_off_before_it_scored_does_so_when_it_is_resumed(program: Program) -> None:
    host = program.host()
    run(program, host)
    expected = len(host.trials)
    second = program.host()
    second.interrupt_at = expected - 1
    written = program.write(config(TWO, gates=GATES))
    assert program("run", written, "--out", "again", host=second).code == 130
    third = program.host()
    assert program("run", "--resume", "again", host=third).code == 0
    assert tasks(third) == [("score", "base"), ("score", "other")]


def test_the_plan_holds_the_trials_that_score(program: Program) -> None:
    planned = program("plan", program.write(config(TWO, gates=GATES, rounds=1))).out
    assert "score: t/base, t/other" in planned
    assert "score of its own answer, if that is different: t/base, t/other" in planned
    assert "6 to 8 trials, depending on whether answers differ" in planned


def test_a_failed_score_takes_nothing_from_what_was_measured(program: Program) -> None:
    def crash(head: object) -> str | None:
        slot = getattr(head, "slot", None)
        return "crash" if slot is not None and slot.task == "score" and slot.runtime == "other" else None

    host = program.host(other=Script(fault=crash))
    run(program, host)
    failed = [trial for trial in trials(program.folder / "run") if trial.failure is not None]
    assert [(trial.task, trial.runtime) for trial in failed] == [("score", "other")]
    assert tasks(host)[-2:] == [("score", "base"), ("score", "other")]


REQUIRED = HANGS + '[[gates]]\nname = "same-answers"\nkind = "outputs"\n'


def late() -> Script:
    """It never ends when it scores."""
    return Script(fault=lambda head: "hang" if head.slot is not None and head.slot.task == "score" else None)


def test_a_score_that_never_ends_on_a_busy_machine_passes_nothing_and_comes_again(program: Program) -> None:
    host = program.host(other=late())
    host.meanwhile = lambda head: Meanwhile(others_cpu=1.6)
    assert run(program, host, text=config(TWO, gates=REQUIRED, rounds=1)) == 3
    assert tasks(host)[-3:] == [("score", "base"), ("score", "other"), ("score", "other")]
    report = program.report()
    [found] = report["outputs"]
    assert (found["verdict"], found["acceptable"]) == ("UNPROVEN", False)
    said = "other could not score the sequence on a busy machine (timeout:"
    assert said in found["sentence"]
    assert "other programs used 1.60 of 2 CPUs" in found["sentence"]
    [verdict] = [v for v in report["verdicts"] if v["gate"] == "same-answers"]
    assert verdict["verdict"] == "NOT COMPARABLE"
    again = program.host()
    again.meanwhile = host.meanwhile
    assert program("run", "--resume", "run", host=again).code == 0
    assert tasks(again) == [("score", "other")]
    assert {v["verdict"] for v in program.report()["verdicts"]} == {"PASS"}


@pytest.mark.parametrize("at", [-2, -1], ids=["before the baseline's", "before its own"])
def test_what_was_not_scored_when_the_run_ended_passes_nothing(program: Program, at: int) -> None:
    text = config(TWO, gates=REQUIRED, rounds=1)
    whole = program.host()
    run(program, whole, text=text)
    host = program.host()
    host.kill_at = len(whole.trials) + 1 + at
    with pytest.raises(KilledError):
        program("run", program.write(text), "--out", "again", host=host)
    assert program("score", "again").code == 130
    [found] = json.loads((program.folder / "again" / "report.json").read_text(encoding="utf-8"))["outputs"]
    assert (found["verdict"], found["acceptable"]) == ("UNPROVEN", False)
    assert "other was not asked to score the sequence: the run ended before that" in found["sentence"] or at == -1
    assert program("run", "--resume", "again", host=program.host()).code == 0


def test_what_was_not_scored_for_lack_of_a_required_gate_that_can_be_decided_passes_nothing(program: Program) -> None:
    """The one required gate judges a runtime that crashes: no more trials are run for the optional one."""
    gates = HANGS.replace("kind", 'runtimes = ["third"]\nkind') + GATES.removeprefix(HANGS)
    crashing = Script(fault=lambda head: "crash" if head.purpose == "trial" else None)
    host = program.host(third=crashing)
    run(program, host, text=config(TWO + table("third"), gates=gates, rounds=1))
    assert ("score", "other") not in tasks(host)
    found = next(v for v in program.report()["outputs"] if v["runtime"] == "other")
    assert (found["verdict"], found["acceptable"]) == ("UNPROVEN", False)
    assert "no required gate can be decided by more trials" in found["sentence"]
