"""Going on with a run that was cut off: nothing is lost, nothing runs twice, and only the same run goes on."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from run_files import transcripts, unpacked
from scripted_host import KilledError, Program, Script, ScriptedHost, config, table

from parity.__main__ import main

TWO = table("base") + table("other")
CASE = config(TWO, rounds=2)
TRIALS = 6


def slots(folder: Path) -> list[tuple[object, ...]]:
    """The slot of every finished trial of a run folder."""
    found = []
    for content in transcripts(folder).values():
        lines = content.decode().splitlines(keepends=True)
        last = json.loads(lines[-1]) if lines and lines[-1].endswith("\n") else {}
        if "end" in last and last["end"]["by"] != "cancel":
            slot = json.loads(lines[0])["head"]["slot"]
            found.append((slot["runtime"], slot["round"], slot["warmup"]))
    return found


def killed(program: Program, host: ScriptedHost, *arguments: str) -> None:
    with pytest.raises(KilledError):
        main([*arguments], host=host)


@pytest.mark.parametrize("at", range(1, TRIALS + 1))
def test_a_killed_run_goes_on_where_it_was(program: Program, at: int) -> None:
    host = program.host()
    host.kill_at = at
    killed(program, host, "run", program.write(CASE), "--out", "run")
    assert len(slots(program.folder / "run")) == at - 1
    again = program.host()
    done = program("run", "--resume", "run", host=again)
    assert done.code == 0, done.err
    assert len(again.trials) == TRIALS - (at - 1)
    finished = slots(program.folder / "run")
    assert len(finished) == len(set(finished)) == TRIALS
    whole = program.host()
    program("run", "case.toml", "--out", "whole", host=whole)
    assert set(finished) == set(slots(program.folder / "whole"))
    report = program.report()
    assert not report["interrupted"]
    assert {v["verdict"] for v in report["verdicts"]} == {"PASS"}
    results = (program.folder / "run" / "results.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["file"] for line in results] == [trial["file"] for trial in report["trials"]]


def test_an_interrupted_trial_is_run_again_as_a_second_attempt(program: Program) -> None:
    host = program.host()
    host.interrupt_at = 3
    done = program("run", program.write(CASE), "--out", "run", host=host)
    assert done.code == 130
    assert len(slots(program.folder / "run")) == 2
    assert program("run", "--resume", "run").code == 0
    report = program.report()
    assert sorted(trial["attempt"] for trial in report["trials"]) == [1, 1, 1, 1, 1, 2]
    assert all(trial["failure"] is None for trial in report["trials"])


def test_a_run_killed_while_its_runtimes_were_asked_goes_on(program: Program) -> None:
    host = program.host()
    host.kill_at = 1
    killed(program, host, "run", program.write(CASE), "--out", "run")
    (program.folder / "run" / "prepared" / "other" / "proof.jsonl").unlink()
    assert program("run", "--resume", "run").code == 0


@pytest.mark.parametrize("purpose", ["build", "proof"])
def test_a_run_killed_in_its_preparation_prepares_what_is_missing(
    program: Program, add_adapter: Callable[[str, str], None], purpose: str
) -> None:
    add_adapter("compiled", "compiled:Compiled")
    host = program.host()
    host.kill_during = purpose
    case = config(table("base", "prove = false") + '[runtimes.other]\nadapter = "compiled"\n', rounds=2)
    killed(program, host, "run", program.write(case), "--out", "run")
    assert host.trials == []
    again = program.host()
    done = program("run", "--resume", "run", host=again)
    assert done.code == 0, done.err
    assert len(again.trials) == TRIALS
    assert [head.purpose for head in again.asked if head.runtime == "other"][-4:-3] == ["proof"]
    assert purpose in [head.purpose for head in again.asked]
    assert not program.report()["interrupted"]


def test_a_run_killed_in_its_first_probe_goes_on(program: Program) -> None:
    host = program.host()
    host.kill_during = "probe"
    killed(program, host, "run", program.write(CASE), "--out", "run")
    assert program("run", "--resume", "run").code == 0
    assert len(slots(program.folder / "run")) == TRIALS


def test_a_resumed_run_that_is_killed_goes_on_too(program: Program) -> None:
    host, second, third = program.host(), program.host(), program.host()
    host.kill_at, second.kill_at = 3, 2
    killed(program, host, "run", program.write(CASE), "--out", "run")
    killed(program, second, "run", "--resume", "run")
    assert program("run", "--resume", "run", host=third).code == 0
    finished = slots(program.folder / "run")
    assert len(finished) == len(set(finished)) == TRIALS
    assert len(third.trials) == TRIALS - 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: text.rindex('{"file"')],
        lambda text: text[: text.rindex('{"file"') + 9],
        lambda text: text + '{"half',
        lambda text: text + text.splitlines()[0] + "\n",
        lambda text: "",
        lambda text: None,
    ],
    ids=["last line missing", "last line cut", "half a line more", "a line twice", "empty", "missing"],
)
def test_results_are_written_anew_from_the_transcripts(program: Program, damage: Callable[[str], str | None]) -> None:
    host = program.host()
    host.kill_at = 4
    killed(program, host, "run", program.write(CASE), "--out", "run")
    results = program.folder / "run" / "results.jsonl"
    text = damage(results.read_text(encoding="utf-8"))
    results.unlink()
    if text is not None:
        results.write_text(text, encoding="utf-8")
    again = program.host()
    assert program("run", "--resume", "run", host=again).code == 0
    assert len(again.trials) == TRIALS - 3
    lines = results.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == program.report()["trials"]


def test_a_transcript_cut_off_anywhere_before_its_end_is_run_again_and_no_other_is(program: Program) -> None:
    program("run", program.write(CASE), "--out", "whole")
    names = [path.name for path in unpacked(program.folder / "whole")]
    data = (program.folder / "whole" / "trials" / names[-1]).read_bytes()
    first, last = data.index(b"\n") + 1, data[:-1].rindex(b"\n") + 1
    for cut in (0, 1, first - 1, first, first + 20, last, last + 5, len(data) - 1):
        run = program.folder / f"cut-{cut}"
        shutil.copytree(program.folder / "whole", run)
        (run / "end.json").unlink()
        (run / "trials" / names[-1]).write_bytes(data[:cut])
        again = program.host()
        done = program("run", "--resume", run.name, host=again)
        assert done.code == 0, (cut, done.err)
        assert len(again.trials) == 1, cut
        finished = slots(run)
        assert len(finished) == len(set(finished)) == TRIALS
        assert [t["failure"] for t in program.report(run.name)["trials"]] == [None] * TRIALS


def test_a_finished_run_is_only_scored_again(program: Program) -> None:
    program("run", program.write(CASE), "--out", "run")
    before = program.report()
    again = program.host()
    assert program("run", "--resume", "run", host=again).code == 0
    assert again.trials == []
    assert program.report() == before


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("max_tokens = 12", "max_tokens = 13", "max_tokens: was 12 and is 13"),
        ('prompt = "hello"', 'prompt = "bye"', "prompt: was 'hello' and is 'bye'"),
        ("count = 2", "count = 3", "rounds.count: was 2 and is 3"),
    ],
)
def test_another_config_is_refused_with_the_key_that_changed(program: Program, old: str, new: str, named: str) -> None:
    host = program.host()
    host.kill_at = 3
    killed(program, host, "run", program.write(CASE), "--out", "run")
    program.write(CASE.replace(old, new))
    again = program.host()
    done = program("run", "--resume", "run", host=again)
    assert done.code == 2
    assert named in done.err
    assert again.asked == []


def test_a_comment_in_the_config_is_no_change(program: Program) -> None:
    host = program.host()
    host.kill_at = 3
    killed(program, host, "run", program.write(CASE), "--out", "run")
    program.write(CASE + "\n# a remark\n")
    assert program("run", "--resume", "run").code == 0


@pytest.mark.parametrize(
    ("script", "named"),
    [
        (Script(version="2.0"), "the version of other was 1.0 and is 2.0"),
        (Script(installed=False), "other was available and is not now"),
    ],
)
def test_another_runtime_is_refused_by_name(program: Program, script: Script, named: str) -> None:
    host = program.host()
    host.kill_at = 3
    killed(program, host, "run", program.write(CASE), "--out", "run")
    again = program.host(other=script)
    done = program("run", "--resume", "run", host=again)
    assert done.code == 2
    assert named in done.err
    assert again.trials == []


def test_another_model_is_refused_by_name(program: Program) -> None:
    case = CASE.replace("synth://tiny-llama/Q8_0@0", "model.gguf")
    from parity_synth import parse_synthetic

    model = program.folder / "model.gguf"
    tiny = {seed: parse_synthetic(f"tiny-llama/Q8_0@{seed}").fetch(lambda step: None) for seed in (0, 1)}
    model.write_bytes(tiny[0].read_bytes())
    host = program.host()
    host.kill_at = 3
    killed(program, host, "run", program.write(case), "--out", "run")
    model.write_bytes(tiny[1].read_bytes())
    done = program("run", "--resume", "run")
    assert done.code == 2
    assert "the sha256 of the model m was " in done.err


def test_an_executable_that_changed_is_refused_by_name(program: Program) -> None:
    host = program.host()
    host.kill_at = 3
    tool = program.folder / "tool"
    tool.write_bytes(b"one")
    tool.chmod(0o755)
    case = CASE.replace('program = "other"', 'program = "./tool"')
    killed(program, host, "run", program.write(case), "--out", "run")
    tool.write_bytes(b"two")
    done = program("run", "--resume", "run")
    assert done.code == 2
    assert "the executable tool of other" in done.err


def test_a_run_of_another_machine_is_refused_with_what_differs(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = program.host()
    host.kill_at = 3
    killed(program, host, "run", program.write(CASE), "--out", "run")
    again = program.host()
    monkeypatch.setattr(again, "machine", lambda: {**host.machine(), "cpu": "a faster one"})
    done = program("run", "--resume", "run", host=again)
    assert done.code == 2
    assert "the machine's cpu was scripted and is a faster one" in done.err
    assert again.trials == []
