"""Whole runs in which a model, a weights file or a program is changed while the run goes on: no verdict stands on two
contents under one hash, and nothing that a program names keeps parity waiting."""

import hashlib
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scripted_host import HANGS, MODEL, Program, Script, ScriptedHost, config, table

from parity.hosts.cancel import Cancel
from parity.models import parse_source, silent
from parity.transcript import Head

SPEED = '[[gates]]\nname = "speed"\nkind = "ratio"\nmetric = "gen_tps"\nmin_ratio = 0.5\n'
BOUND = '[[gates]]\nname = "bound"\nkind = "bound"\nmetric = "gen_tps"\nmin = 10.0\n'
STEADY = '[[gates]]\nname = "steady"\nkind = "consistency"\nmax_cv = 0.5\n'
ALL = SPEED + BOUND + STEADY + HANGS
ROUNDS = 6


@pytest.fixture
def model(program: Program) -> Path:
    path = program.folder / "model.gguf"
    shutil.copyfile(parse_source(MODEL, Path()).fetch(silent), path)
    return path


def text(model: Path, other: str = "", *, gates: str = ALL, rest: str = "") -> str:
    whole = config(table("base") + (other or table("other")), rounds=ROUNDS, gates=gates, rest=rest)
    return whole.replace(f'source = "{MODEL}"', f'source = "{model}"')


def at_trial(number: int, act: Callable[[], object]) -> Callable[[Head, Cancel | None], None]:
    """Acts once, while the trial of that number runs."""
    seen = []

    def before(head: Head, cancel: Cancel | None) -> None:
        if head.purpose == "trial":
            seen.append(head)
            if len(seen) == number:
                act()

    return before


def verdicts(program: Program) -> dict[str, str]:
    return {v["gate"]: v["verdict"] for v in program.report()["verdicts"]}


def departures(program: Program) -> list[dict[str, Any]]:
    return [departure for trial in program.report()["trials"] for departure in trial["departures"]]


def run(program: Program, host: ScriptedHost, written: str) -> int:
    return program("run", program.write(written), "--out", "run", host=host).code


def swap(path: Path) -> None:
    """Other content under the same path, size and mtime."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[-400:] = bytes(400)
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_model_that_is_not_touched_has_one_hash_and_no_departure(program: Program, model: Path) -> None:
    assert run(program, program.host(), text(model)) == 0
    assert departures(program) == []
    sha256 = hashlib.sha256(model.read_bytes()).hexdigest()
    assert {trial["identity"]["weights_sha256"] for trial in program.report()["trials"]} == {sha256}


def test_a_model_that_is_replaced_in_mid_run_gives_no_gate_a_verdict(program: Program, model: Path) -> None:
    host = program.host()
    host.before = at_trial(5, lambda: swap(model))
    assert run(program, host, text(model)) == 3
    assert set(verdicts(program).values()) == {"NOT COMPARABLE"}
    hashes = {trial["identity"]["weights_sha256"] for trial in program.report()["trials"]}
    assert hashlib.sha256(model.read_bytes()).hexdigest() in hashes
    assert len(hashes - {None}) == 2
    said = {departure["sentence"] for departure in departures(program)}
    assert f"{model} was changed while it ran" in said
    assert any("other weights than the test's model" in sentence for sentence in said)


def test_a_model_that_is_put_back_within_a_trial_was_changed_all_the_same(program: Program, model: Path) -> None:
    def there_and_back() -> None:
        aside = model.with_suffix(".aside")
        model.rename(aside)
        model.write_bytes(b"other")
        aside.rename(model)

    host = program.host()
    host.before = at_trial(5, there_and_back)
    assert run(program, host, text(model)) == 3
    assert [departure["sentence"] for departure in departures(program)] == [f"{model} was changed while it ran"]
    [speed] = [verdict for verdict in program.report()["verdicts"] if verdict["compares"]]
    assert f"{model} was changed while it ran; leave it as it is until the run has ended" in speed["sentence"]


def test_score_finds_the_same_as_the_run(program: Program, model: Path) -> None:
    host = program.host()
    host.before = at_trial(5, lambda: swap(model))
    run(program, host, text(model))
    before = (program.folder / "run" / "report.json").read_bytes()
    model.unlink()
    assert program("score", "run").code == 3
    assert (program.folder / "run" / "report.json").read_bytes() == before


def test_a_pinned_model_is_hashed_again_although_size_and_time_are_the_same(program: Program, model: Path) -> None:
    sha256 = hashlib.sha256(model.read_bytes()).hexdigest()
    pinned = text(model).replace("[[tests]]", f'sha256 = "{sha256}"\n\n[[tests]]', 1)
    assert run(program, program.host(), pinned) == 0
    swap(model)
    (program.folder / "run").rename(program.folder / "before")
    assert run(program, program.host(), pinned) == 2


def script_of(program: Program, name: str = "other.py") -> Path:
    path = program.folder / name
    path.write_text("print('one')\n", encoding="utf-8")
    return path


def with_script(script: Path) -> str:
    return table("other").replace('args = ["{model}"]', f'args = ["{script}", "{{model}}", "--data={script}.json"]')


def test_a_script_that_is_edited_in_mid_run_gives_no_gate_a_verdict(program: Program, model: Path) -> None:
    script = script_of(program)
    host = program.host()
    host.before = at_trial(5, lambda: script.write_text("print('two')\n", encoding="utf-8"))
    assert run(program, host, text(model, with_script(script))) == 3
    assert set(verdicts(program).values()) == {"NOT COMPARABLE"}
    said = {(departure["fact"], departure["sentence"]) for departure in departures(program)}
    assert ("changed", f"its program {script} was changed while the run went on") in said


def test_a_data_file_among_the_arguments_may_change(program: Program, model: Path) -> None:
    script = script_of(program)
    data = Path(f"{script}.json")
    data.write_text("{}", encoding="utf-8")
    host = program.host()
    host.before = at_trial(5, lambda: data.write_text('{"state": 1}', encoding="utf-8"))
    assert run(program, host, text(model, with_script(script))) == 0


def test_resume_refuses_a_script_that_was_edited_since(program: Program, model: Path) -> None:
    script = script_of(program)
    host = program.host()
    host.interrupt_at = 6
    assert run(program, host, text(model, with_script(script))) == 130
    script.write_text("print('two')\n", encoding="utf-8")
    done = program("run", "--resume", "run")
    assert done.code == 2
    assert f"the executable other.py of other ({script}) is not the file that the run used" in done.err


def reports(path: Path | str) -> Script:
    return Script(settings=lambda head: {"weights_file": str(path)})


def test_weights_that_a_runtime_names_are_hashed_around_each_of_its_trials(program: Program, model: Path) -> None:
    own = program.folder / "own.gguf"
    shutil.copyfile(model, own)
    assert run(program, program.host(other=reports(own)), text(model)) == 0
    (program.folder / "run").rename(program.folder / "before")
    host = program.host(other=reports(own))
    host.before = at_trial(7, lambda: swap(own))
    assert run(program, host, text(model)) == 3
    assert set(verdicts(program).values()) == {"NOT COMPARABLE"}


@pytest.mark.parametrize("named", ["/dev/zero", "fifo", "/etc/hostname", "own.gguf", "a\0b", "/proc/self/mem"])
def test_what_is_no_file_of_the_models_is_not_read_and_proves_nothing(
    program: Program, model: Path, named: str
) -> None:
    if named == "fifo":
        os.mkfifo(program.folder / "fifo")
        named = str(program.folder / "fifo")
    assert run(program, program.host(other=reports(named)), text(model)) == 3
    assert verdicts(program)["bound"] == "NOT COMPARABLE"
    own = [t["identity"]["weights_sha256"] for t in program.report()["trials"] if t["runtime"] == "other"]
    assert set(own) == {None}


def test_the_wish_to_stop_ends_the_hashing_of_what_a_runtime_names(program: Program, model: Path) -> None:
    own = program.folder / "own.gguf"
    own.touch()
    os.truncate(own, 4 << 30)
    host = program.host(other=reports(own))

    def stop_soon(head: Head, cancel: Cancel | None) -> None:
        if head.purpose == "trial" and head.runtime == "other" and cancel is not None:
            threading.Timer(0.2, cancel.request).start()

    host.before = stop_soon
    assert run(program, host, text(model)) == 130
    assert not (program.folder / "run" / "weights.json").exists()
