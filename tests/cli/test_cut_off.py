"""Runs that are cut off at odd moments, started twice, or find odd files: nothing is lost, and nothing is claimed."""

from collections.abc import Callable

import pytest
from scripted_host import HANGS, MODEL, KilledError, Program, Script, config, table

from parity.__main__ import main
from parity.hosts.cancel import Cancel
from parity.run.log import RunFolder
from parity.transcript import Head

TWO = table("base") + table("other")
CASE = config(TWO, rounds=2)
SECRET = "hunter2-and-more"


def interrupt_when(purpose: str, runtime: str) -> Callable[[Head, Cancel | None], None]:
    """A user who presses Ctrl-C while a runtime is asked for something."""

    def before(head: Head, cancel: Cancel | None) -> None:
        if (head.purpose, head.runtime) == (purpose, runtime):
            assert cancel is not None, f"nothing can interrupt a {purpose}"
            cancel.request()

    return before


@pytest.mark.parametrize("purpose", ["probe", "proof"])
@pytest.mark.parametrize("runtime", ["base", "other"])
def test_ctrl_c_before_the_first_trial_ends_the_run_and_resume_goes_on(
    program: Program, purpose: str, runtime: str
) -> None:
    host = program.host()
    host.before = interrupt_when(purpose, runtime)
    done = program("run", program.write(CASE), "--out", "run", host=host)
    assert done.code == 130, done.err
    assert host.trials == []
    again = program.host()
    assert program("run", "--resume", "run", host=again).code == 0
    assert len(again.trials) == 6


def test_ctrl_c_while_a_lost_cause_is_asked_is_an_interrupted_run(program: Program) -> None:
    host = program.host(base=Script(installed=False))
    host.before = interrupt_when("probe", "other")
    assert program("run", program.write(CASE), "--out", "run", host=host).code == 130


@pytest.mark.parametrize("purpose", ["probe", "proof"])
def test_ctrl_c_while_a_run_is_resumed_leaves_it_to_be_resumed_again(program: Program, purpose: str) -> None:
    host = program.host()
    host.before = interrupt_when("proof", "base")
    program("run", program.write(CASE), "--out", "run", host=host)
    again = program.host()
    again.before = interrupt_when(purpose, "other")
    done = program("run", "--resume", "run", host=again)
    assert done.code == 130, done.err
    assert again.trials == []
    assert program("run", "--resume", "run").code == 0


def test_a_resumed_run_starts_its_programs_with_the_secrets_of_the_config(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", SECRET)
    text = CASE.replace('args = ["{model}"]', 'args = ["{model}", "${MY_TOKEN}"]')
    host = program.host()
    host.interrupt_at = 2
    assert program("run", program.write(text), "--out", "run", host=host).code == 130
    again = program.host()
    assert program("run", "--resume", "run", host=again).code == 0
    assert {r.launch.argv[-1] for r in again.requests if r.head.purpose == "trial"} == {SECRET}


def test_a_lost_cause_fetches_nothing_when_it_is_resumed(program: Program) -> None:
    gone = program.host(other=Script(installed=False))
    text = CASE.replace(MODEL, "hf://nobody/nothing/none.gguf")
    program("run", program.write(text), "--out", "run", host=gone)
    done = program("run", "--resume", "run", host=program.host(other=Script(installed=False)))
    assert done.code == 5, done.err
    assert "so that no verdict is possible" in done.err


@pytest.mark.parametrize("command", ["run", "doctor"])
def test_a_secret_of_the_config_is_written_nowhere(
    program: Program, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("MY_TOKEN", SECRET)
    case = program.write(CASE.replace('args = ["{model}"]', 'args = ["{model}", "${MY_TOKEN}"]'))
    assert program(command, case).code == 0
    found = [path for path in program.folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert found == []


@pytest.mark.parametrize("rubbish", ["", '{"head":{"versi', "not json\n"])
def test_a_damaged_proof_in_the_cache_is_made_again(program: Program, rubbish: str) -> None:
    case = program.write(CASE)
    program("run", case, "--out", "run")
    kept = list((program.folder / "cache" / "proofs").iterdir())
    assert len(kept) == 2
    for path in kept:
        path.write_text(rubbish, encoding="utf-8")
    done = program("doctor", case)
    assert done.code == 0, done.err
    assert done.out.count("ready (proved)") == 2


def test_a_proof_is_asked_again_once_a_program_on_path_has_changed(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = program.folder / "bin" / "other"
    tool.parent.mkdir()
    monkeypatch.setenv("PATH", str(tool.parent), prepend=":")
    case = program.write(CASE)
    proofs = []
    for content in (b"one", b"newer"):
        tool.write_bytes(content)
        tool.chmod(0o755)
        host = program.host()
        assert program("doctor", case, host=host).code == 0
        proofs.append([head.runtime for head in host.asked if head.purpose == "proof"])
    assert proofs == [["base", "other"], ["other"]]


def test_each_attempt_at_a_slot_has_a_number_of_its_own(program: Program) -> None:
    for arguments in (["run", program.write(CASE), "--out", "run"], ["run", "--resume", "run"]):
        host = program.host()
        host.interrupt_at = 1
        assert program(*arguments, host=host).code == 130
    assert program("run", "--resume", "run").code == 0
    assert sorted(trial["attempt"] for trial in program.report()["trials"]) == [1, 1, 1, 1, 1, 3]


def test_a_trial_whose_head_was_cut_short_never_began(program: Program) -> None:
    host = program.host()
    host.interrupt_at = 3
    program("run", program.write(CASE), "--out", "run", host=host)
    (program.folder / "run" / "trials" / "0009-cut.jsonl").write_text('{"head":{"version":2,"purp', encoding="utf-8")
    assert program("score", "run").code == 130
    assert program("run", "--resume", "run").code == 0


def test_a_run_that_goes_on_is_not_resumed_at_the_same_time(program: Program) -> None:
    host = program.host()
    host.interrupt_at = 3
    program("run", program.write(CASE), "--out", "run", host=host)
    with RunFolder.open(program.folder / "run").held():
        again = program.host()
        done = program("run", "--resume", "run", host=again)
    assert done.code == 2
    assert "is at work in it" in done.err
    assert again.asked == []
    assert program("run", "--resume", "run").code == 0


def test_a_page_survives_a_run_that_only_warmed_up(program: Program) -> None:
    case = program.write(config(TWO, rest='[report]\nmarkdown = "page.md"\n'))
    program("run", case, "--out", "good")
    good = (program.folder / "page.md").read_text(encoding="utf-8")
    host = program.host()
    host.interrupt_at = 2
    assert program("run", case, "--out", "bad", host=host).code == 130
    assert (program.folder / "page.md").read_text(encoding="utf-8") == good


def test_gates_that_read_one_runtime_are_judged_without_the_baseline(program: Program) -> None:
    host = program.host(base=Script(installed=False))
    done = program("run", program.write(config(TWO, gates=HANGS)), "--out", "run", host=host)
    assert done.code == 4, done.err
    assert "there was no baseline to compare" in done.out
    assert [v["verdict"] for v in program.report()["verdicts"]] == ["PASS"]


def test_a_baseline_alone_is_measured(program: Program) -> None:
    host = program.host()
    done = program("run", program.write(config(table("base"), gates="")), "--out", "run", host=host)
    assert len(host.trials) == 6
    assert done.code == 0
    assert program.report()["exit"]["reason"] == "the config has no gates, and every trial succeeded"


def test_a_trial_that_failed_is_named_where_no_gate_reads_it(program: Program) -> None:
    host = program.host(other=Script(fault=lambda head: "crash" if head.purpose == "trial" else None))
    done = program("run", program.write(config(TWO, gates="")), "--out", "run", host=host)
    assert done.code == 4
    assert "trials failed: other on t (crash:SIGSEGV)" in " ".join(done.out.split())


def test_without_gates_a_runtime_that_is_not_there_is_named(program: Program) -> None:
    host = program.host(other=Script(installed=False))
    done = program("run", program.write(config(TWO, gates="")), "--out", "run", host=host)
    assert done.code == 4
    assert "not every trial ran: other on t (" in " ".join(done.out.split())


def test_gates_on_a_runtime_that_is_not_set_stop_nothing(program: Program) -> None:
    spare = table("spare", 'optional = true\ncwd = ""')
    gates = HANGS + 'runtimes = ["spare"]\n'
    host = program.host()
    done = program("run", program.write(config(TWO + spare, gates=gates)), "--out", "run", host=host)
    assert len(host.trials) == 12
    assert done.code == 4


def test_a_baseline_that_crashes_on_a_tiny_model_is_said_to_be_lost(program: Program) -> None:
    host = program.host(base=Script(fault=lambda head: "crash" if head.purpose == "proof" else None))
    done = program("run", program.write(config(TWO)), "--out", "run", host=host)
    assert done.code == 5
    assert "the baseline base is lost on t" in done.err
    assert "prove = false" in done.err


def test_a_run_goes_on_from_a_different_working_folder(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    (program.folder / "tool").write_bytes(b"one")
    (program.folder / "tool").chmod(0o755)
    (program.folder / "away").mkdir()
    text = CASE.replace('program = "other"', 'program = "./tool"')
    host = program.host()
    host.interrupt_at = 4
    program("run", program.write(text), "--out", "run ü", host=host)
    monkeypatch.chdir(program.folder / "away")
    done = program("run", "--resume", "../run ü")
    assert done.code == 0, done.err


def test_nothing_more_is_proved_once_the_baseline_is_lost(program: Program) -> None:
    host = program.host(base=Script(fault=lambda head: "crash" if head.purpose == "proof" else None))
    assert program("run", program.write(config(TWO)), "--out", "run", host=host).code == 5
    assert [head.runtime for head in host.asked if head.purpose == "proof"] == ["base"]


@pytest.mark.parametrize("content", [None, b"GGUF"])
def test_doctor_says_what_is_wrong_with_a_model(program: Program, content: bytes | None) -> None:
    if content is not None:
        (program.folder / "model.gguf").write_bytes(content)
    done = program("doctor", program.write(CASE.replace(MODEL, "model.gguf")))
    assert "fetches it" not in done.out
    assert "model.gguf" in done.out


@pytest.mark.parametrize("step", ["probe", "proof"])
@pytest.mark.parametrize("runtime", ["base", "other"])
def test_a_run_that_is_killed_before_its_first_trial_goes_on(program: Program, step: str, runtime: str) -> None:
    def before(head: Head, cancel: Cancel | None) -> None:
        if (head.purpose, head.runtime) == (step, runtime):
            raise KilledError

    host = program.host()
    host.before = before
    with pytest.raises(KilledError):
        main(["run", program.write(CASE), "--out", "run"], host=host)
    assert program("score", "run").code == 130
    again = program.host()
    assert program("run", "--resume", "run", host=again).code == 0
    assert len(again.trials) == 6


def test_ctrl_c_while_a_model_is_fetched_leaves_a_run_that_can_be_resumed(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("parity.run.loop.resolve_models", fetch)
        assert program("run", program.write(CASE), "--out", "run").code == 130
    assert program("run", "--resume", "run").code == 0


def test_a_model_that_cannot_be_read_leaves_no_folder(program: Program) -> None:
    (program.folder / "model.gguf").write_bytes(b"GGUF")
    done = program("run", program.write(CASE.replace(MODEL, "model.gguf")), "--out", "run")
    assert done.code == 2
    assert not (program.folder / "run").exists()


def test_an_interrupted_run_says_how_to_go_on(program: Program) -> None:
    host = program.host()
    host.interrupt_at = 2
    done = program("run", program.write(CASE), "--out", "a run", host=host)
    assert "`parity run --resume 'a run'` goes on" in done.err
    assert "--resume" not in program("run", "--resume", "a run").err
