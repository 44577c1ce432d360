"""The trials of the exact arm in a run: which runtimes' twins run them, when, on which file, and what a run makes of
one that can't be made, fails, or has vanished."""

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
from scripted_host import HANGS, KilledError, Program, Script, ScriptedHost, config, table

from parity.adapter import AdapterSettings
from parity.models import exact_cache
from parity.models.exact_cache import Room
from parity.records import Trial
from parity.run import exact, performing
from parity.run.log import RunFolder
from parity.run.score import recorded_runtimes, recorded_state
from parity.run.session import LOCAL, make_adapters
from parity_adapters.command import CommandLine

PROMPT = (1, 2, 3)
ANSWER = tuple(range(101, 113))
GATES = HANGS + '[[gates]]\nname = "same-answers"\nkind = "outputs"\nrequired = false\ntruth = true\n'
TWO = table("base") + table("other")
ARMS = [("score", "exact", "base"), ("score", "exact", "second")]


class Second(CommandLine):
    """A second adapter whose runtimes can be in the exact arm."""

    name: ClassVar[str] = "second"


@pytest.fixture(autouse=True)
def scoring(monkeypatch: pytest.MonkeyPatch, add_adapter: Any) -> None:
    """Every scripted runtime can score, and has settings for the exact arm."""
    monkeypatch.setattr(CommandLine, "tasks", frozenset({"generate", "score"}))
    monkeypatch.setattr(CommandLine, "exact", property(in_f32))
    add_adapter("second", f"{Second.__module__}:Second")


def in_f32(adapter: CommandLine) -> AdapterSettings:
    return adapter.settings.but(args=("--f32", "{model}"))


THREE = TWO + table("second").replace('adapter = "command"', 'adapter = "second"')


def host_of(program: Program, **scripts: Script) -> ScriptedHost:
    return program.host(**{"second": Script(), **scripts})


def run(program: Program, host: ScriptedHost, *options: str, text: str | None = None) -> int:
    written = program.write(text if text is not None else config(THREE, gates=GATES, rounds=1))
    return program("run", written, "--out", "run", *options, host=host).code


def trials_of(host: ScriptedHost) -> list[tuple[str, str, str]]:
    """Task, kind and runtime of every trial, in order."""
    return [(head.slot.task, head.slot.kind, head.slot.runtime) for head in host.trials if head.slot is not None]


def of_arm(host: ScriptedHost) -> list[Any]:
    return [head for head in host.trials if head.slot is not None and head.slot.kind == "exact"]


def trials(folder: Path) -> list[Trial]:
    """The trials of a run as its transcripts show them."""
    found = RunFolder.open(folder)
    run = found.read_run()
    prepared = recorded_runtimes(found, make_adapters(run.loaded, run.hosts[LOCAL]))
    return list(recorded_state(found, run, prepared).trials)


def test_the_twin_of_one_runtime_of_each_adapter_scores_the_answer_after_all_others(program: Program) -> None:
    host = host_of(program)
    assert run(program, host) == 0
    assert trials_of(host)[-2:] == ARMS
    assert {kind for _, kind, _ in trials_of(host)[:-2]} == {"full"}
    for head, request in zip(of_arm(host), host.requests[-2:], strict=True):
        assert head.job.score.ids == PROMPT + ANSWER
        assert request.launch.argv[1:] == ("--f32", head.job.model.path)
        assert head.job.settings["args"] == ["--f32", "{model}"]
        assert (request.limits.load_s, request.limits.total_s, request.limits.stall_s) == (1200, 6000, 30)
    assert not any("--f32" in request.launch.argv for request in host.requests[:-2])


def test_its_model_is_the_f32_file_and_its_trials_are_nobodys_own(program: Program) -> None:
    host = host_of(program)
    run(program, host)
    recorded = json.loads((program.folder / "run" / exact.EXACT).read_text())["m"]
    assert set(recorded["quantisation"]) == {"F32"}
    assert recorded["path"] == str(program.folder / "cache" / "exact" / f"{host.trials[0].job.model.sha256}.gguf")
    assert [head.job.model.sha256 for head in of_arm(host)] == [recorded["sha256"]] * 2
    found = [trial for trial in trials(program.folder / "run") if trial.kind == "exact"]
    assert [trial.failure for trial in found] == [None, None]
    assert [len(trial.scores) for trial in found] == [len(PROMPT + ANSWER) - 1] * 2
    for trial in found:
        assert trial.departures == ()
        assert trial.identity is not None
        assert trial.identity.weights_sha256 == recorded["sha256"]
    report = program.report()
    assert [trial["kind"] for trial in report["score_trials"]] == ["full"] * 3 + ["exact"] * 2
    assert not [trial for trial in report["trials"] if trial["kind"] == "exact"]
    assert {verdict["verdict"] for verdict in report["outputs"]} == {"IDENTICAL"}


def test_only_a_gate_that_asks_for_the_truth_has_an_arm(program: Program) -> None:
    host = host_of(program)
    run(program, host, text=config(THREE, gates=GATES.replace("truth = true\n", ""), rounds=1))
    assert of_arm(host) == []
    assert not (program.folder / "run" / exact.EXACT).exists()
    assert not (program.folder / "cache" / "exact").exists()


def test_a_test_that_the_gate_does_not_cover_has_none(program: Program) -> None:
    text = config(THREE, gates=GATES + 'tests = ["t"]\n', rounds=1)
    text = text.replace("[runtimes.base]", '[[tests]]\nname = "u"\nprompt = "x"\nmax_tokens = 12\n\n[runtimes.base]')
    host = host_of(program)
    run(program, host, text=text)
    assert [(head.slot.test, head.slot.runtime) for head in of_arm(host)] == [("t", "base"), ("t", "second")]


def test_a_config_with_none_of_its_engines_says_so(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CommandLine, "exact", None)
    ended = program("run", program.write(config(TWO, gates=GATES, rounds=1)), "--out", "run", host=host_of(program))
    assert ended.code == 0
    reason = json.loads((program.folder / "run" / exact.EXACT).read_text())["m"]
    assert reason == "no runtime of the config that is ready here can compute it"
    assert f"m: no exact arm: {reason}" in ended.err
    verdicts = [v["sentence"] for v in program.report()["verdicts"] if v["gate"] == "same-answers"]
    assert all(sentence.endswith(f"; no exact arm: {reason}") for sentence in verdicts)


def test_a_model_that_does_not_fit_is_left_out_and_the_run_goes_on(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact_cache, "MEMORY_MARGIN", 1e9)
    ended = program("run", program.write(config(THREE, gates=GATES, rounds=1)), "--out", "run", host=host_of(program))
    assert ended.code == 0
    reason = json.loads((program.folder / "run" / exact.EXACT).read_text())["m"]
    assert "of memory, and" in reason
    assert f"m: no exact arm: {reason}" in ended.err
    assert {verdict["verdict"] for verdict in program.report()["outputs"]} == {"IDENTICAL"}


def test_a_member_that_fails_is_lost_alone(program: Program) -> None:
    crashing = Script(fault=lambda head: "crash" if head.slot and head.slot.kind == "exact" else None)
    host = host_of(program, base=crashing)
    assert run(program, host) == 0
    found = [trial for trial in trials(program.folder / "run") if trial.kind == "exact"]
    assert [trial.failure.kind if trial.failure else None for trial in found] == ["crash:SIGSEGV", None]
    report = program.report()
    assert {verdict["verdict"] for verdict in report["outputs"]} == {"IDENTICAL"}
    assert report["not_run"] == []
    page = (program.folder / "run" / "report.md").read_text(encoding="utf-8")
    assert "exact trials of round 1" in page
    verdicts = [v["sentence"] for v in report["verdicts"] if v["gate"] == "same-answers"]
    assert len(verdicts) == 2
    said = "; not in the exact arm: base failed to score the sequence in F32 (crash:SIGSEGV"
    assert all(said in sentence for sentence in verdicts)


@pytest.mark.parametrize("cut_off", [1, 2, 3], ids=["before the arm", "between its trials", "after it"])
def test_a_run_that_was_cut_off_does_what_is_missing_when_it_is_resumed(program: Program, cut_off: int) -> None:
    text = config(THREE, gates=GATES, rounds=1)
    run(program, whole := host_of(program), text=text)
    at = len(whole.trials) - 2 + cut_off
    host = host_of(program)
    host.kill_at = at
    written = program.write(text)
    if cut_off < 3:
        with pytest.raises(KilledError):
            program("run", written, "--out", "again", host=host)
    else:
        assert program("run", written, "--out", "again", host=host).code == 0
    resumed = host_of(program)
    assert program("run", "--resume", "again", host=resumed).code == 0
    assert trials_of(resumed) == ARMS[cut_off - 1 :]
    found = [trial for trial in trials(program.folder / "again") if trial.kind == "exact"]
    assert [(trial.runtime, trial.failure) for trial in found] == [("base", None), ("second", None)]


def test_a_trial_whose_file_changes_meanwhile_says_so_and_the_next_one_is_refused(program: Program) -> None:
    host = host_of(program)

    def overwrite(head: Any, cancel: Any) -> None:
        if head.purpose == "trial" and head.slot.kind == "exact":
            Path(head.job.model.path).write_bytes(b"something else")

    host.before = overwrite
    run(program, host)
    one, two = [trial for trial in trials(program.folder / "run") if trial.kind == "exact"]
    assert [departure.fact for departure in one.departures] == ["changed"]
    assert two.failure is not None
    assert two.failure.kind == "refused"
    assert "is not the F32 file that this run began with" in two.failure.message


def cut_off_before_the_arm(program: Program) -> Path:
    """A run that is killed in the arm's first trial; the arm's file is then removed."""
    text = config(THREE, gates=GATES, rounds=1)
    run(program, whole := host_of(program), text=text)
    host = host_of(program)
    host.kill_at = len(whole.trials) - 1
    with pytest.raises(KilledError):
        program("run", program.write(text), "--out", "again", host=host)
    path = Path(of_arm(host)[0].job.model.path)
    path.unlink()
    return path


def test_a_file_that_vanished_is_made_again_when_the_run_is_resumed(program: Program) -> None:
    path = cut_off_before_the_arm(program)
    assert program("run", "--resume", "again", host=host_of(program)).code == 0
    assert path.exists()
    assert [trial.failure for trial in trials(program.folder / "again") if trial.kind == "exact"] == [None, None]


def test_where_it_cannot_be_made_again_its_trials_are_refused(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off_before_the_arm(program)
    monkeypatch.setattr(exact_cache, "MEMORY_MARGIN", 1e9)
    ended = program("run", "--resume", "again", host=host_of(program))
    assert "m: no exact arm: computing with its F32 file needs" in ended.err
    found = [trial.failure for trial in trials(program.folder / "again") if trial.kind == "exact"]
    assert [failure.kind if failure else None for failure in found] == ["refused", "refused"]
    assert found[0] is not None
    assert "was deleted and can't be made again: computing with its F32 file needs" in found[0].message
    assert ".gguf" not in found[0].message


def removing(host: ScriptedHost) -> None:
    """The arm's file is deleted while the first of its trials runs."""

    def remove(head: Any, cancel: Any) -> None:
        if head.purpose == "trial" and len(of_arm(host)) == 1:
            Path(of_arm(host)[0].job.model.path).unlink(missing_ok=True)

    host.before = remove


def test_a_file_that_is_deleted_in_mid_run_is_made_again_for_the_next_trial(program: Program) -> None:
    host = host_of(program)
    removing(host)
    assert run(program, host) == 0
    *_, two = [trial for trial in trials(program.folder / "run") if trial.kind == "exact"]
    assert two.failure is None, two.failure
    assert two.identity is not None
    assert two.identity.weights_sha256 == of_arm(host)[1].job.model.sha256


def test_an_arm_that_was_refused_is_run_when_the_run_is_resumed(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = host_of(program)
    removing(host)
    with monkeypatch.context() as full:
        made = exact_cache.exact_model
        tries: list[int] = []

        def once(*arguments: Any) -> Any:
            tries.append(1)
            if len(tries) > 1:
                raise exact_cache.NoExactError("its F32 file needs 9 GiB on the disk, and 0 B are free")
            return made(*arguments)

        full.setattr(exact, "exact_model", once)
        assert run(program, host) == 0
    found = [trial.failure for trial in trials(program.folder / "run") if trial.kind == "exact"]
    assert [failure.kind if failure else None for failure in found] == [None, "refused"]
    assert found[1] is not None
    assert "was deleted and can't be made again: its F32 file needs 9 GiB on the disk" in found[1].message
    assert "`parity run --resume` tries it again" in found[1].message
    resumed = host_of(program)
    assert program("run", "--resume", "run", host=resumed).code == 0
    assert trials_of(resumed) == [ARMS[1]]
    assert trials(program.folder / "run")[-1].failure is None


def test_a_model_that_did_not_fit_has_its_arm_when_the_run_is_resumed(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        full.setattr(exact_cache, "DISK_MARGIN", 1e9)
        run(program, host_of(program))
    assert isinstance(json.loads((program.folder / "run" / exact.EXACT).read_text())["m"], str)
    resumed = host_of(program)
    assert program("run", "--resume", "run", host=resumed).code == 0
    assert trials_of(resumed) == ARMS
    assert isinstance(json.loads((program.folder / "run" / exact.EXACT).read_text())["m"], dict)
    assert {verdict["no_exact"] for verdict in program.report()["outputs"]} == {None}


def test_the_user_can_stop_it_while_the_file_is_made_again(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    host = host_of(program)
    removing(host)
    check = performing.check_ready

    def pressed(session: Any, model: Any) -> None:
        if not Path(model.path).exists():
            session.cancel.request()
        check(session, model)

    monkeypatch.setattr(performing, "check_ready", pressed)
    assert run(program, host) == 130
    found = [trial.failure for trial in trials(program.folder / "run") if trial.kind == "exact"]
    assert [failure.kind if failure else None for failure in found] == [None, "interrupted"]


def test_the_plan_names_and_counts_them(program: Program) -> None:
    planned = program("plan", program.write(config(THREE, gates=GATES, rounds=1))).out
    assert "score by the exact arm, if it fits this machine: t/base, t/second" in planned
    assert "9 to 14 trials, depending on whether answers differ and the exact arm fits" in planned
    found = json.loads(program("plan", "case.toml", "--json").out)
    assert found["at_most_s"] == 320 * 60


@pytest.mark.parametrize(
    ("runtimes", "said"),
    [
        (THREE, None),
        (TWO, "exact arm: computed by base alone, so that it is shown and decides nothing"),
        (None, "exact arm: none, because no runtime of the config can compute it"),
    ],
    ids=["two members", "one", "none"],
)
def test_the_plan_says_what_the_arm_lacks(
    program: Program, monkeypatch: pytest.MonkeyPatch, runtimes: str | None, said: str | None
) -> None:
    if runtimes is None:
        monkeypatch.setattr(CommandLine, "exact", None)
    planned = program("plan", program.write(config(runtimes or TWO, gates=GATES, rounds=1))).out
    assert (said in planned) if said else ("exact arm:" not in planned)


def test_the_plan_and_the_verdict_say_that_truth_is_nothing_to_a_test_that_samples(program: Program) -> None:
    text = config(THREE, gates=GATES, rounds=1).replace("max_tokens = 12", "max_tokens = 12\ntemperature = 0.5")
    planned = program("plan", program.write(text)).out
    assert "exact arm of t: none, because the test samples its tokens" in planned
    run(program, host_of(program), text=text)
    [sentence, _] = [v["sentence"] for v in program.report()["verdicts"] if v["gate"] == "same-answers"]
    assert "; no exact arm: the test samples its tokens" in sentence


def test_progress_names_them(program: Program) -> None:
    ended = program("run", program.write(config(THREE, gates=GATES, rounds=1)), "--out", "run", host=host_of(program))
    assert "score by the exact arm · m · t · base: done" in ended.err


def test_how_it_ended_is_scored_again_from_the_folder_alone(program: Program) -> None:
    run(program, host_of(program))
    before = program.report()
    (program.folder / "cache" / "exact").rename(program.folder / "elsewhere")
    assert program("score", "run").code == 0
    assert program.report() == before


def test_the_user_can_stop_it_while_the_file_is_written(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    host = host_of(program)
    write = exact_cache.write_exact

    def pressed(*arguments: Any) -> str:
        def watch(step: Any) -> None:
            session[0].cancel.request()
            arguments[2](step)

        return write(arguments[0], arguments[1], watch)

    session: list[Any] = []
    supply = exact.supply_exact
    monkeypatch.setattr("parity.run.loop.supply_exact", lambda s, *rest: (session.append(s), supply(s, *rest))[1])
    monkeypatch.setattr(exact_cache, "write_exact", pressed)
    assert run(program, host) == 130
    assert host.trials == []
    assert not list((program.folder / "cache" / "exact").glob(".*part-*"))


def test_what_is_free_is_asked_of_this_machine(tmp_path: Path) -> None:
    room = exact_cache.room_of(tmp_path)
    assert isinstance(room, Room)
    assert 1 << 20 < room.memory_bytes < 1 << 50
    assert 1 << 20 < room.disk_bytes < 1 << 60
