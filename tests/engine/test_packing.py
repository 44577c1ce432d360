"""Transcripts are packed once a run is over; every reader finds in them what was written."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scripted_host import Program, Script, config, table

from parity.errors import RunFolderError
from parity.report import report_json
from parity.run.log import RunFolder
from parity.run.score import score
from parity.transcript import Head, Piece, TranscriptWriter, pack, packing, read_begun, read_transcript
from parity.transcript.numbers import line_numbers

CASE = config(table("base") + table("other"), rounds=2)


class KilledError(BaseException):
    """Stands in for SIGKILL at one instant."""


@pytest.fixture
def transcript(tmp_path: Path) -> Path:
    path = tmp_path / "trials" / "0001-m.jsonl"
    path.parent.mkdir()
    writer = TranscriptWriter(path, Head(purpose="trial", runtime="r"))
    for k in range(1000):
        writer.piece(Piece(k, "out", f"line {k}\n".encode()))
    writer.close()
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_packed_transcript_is_smaller_and_reads_the_same(transcript: Path) -> None:
    transcript.chmod(0o600)
    before, lines, size = read_transcript(transcript), line_numbers(transcript), transcript.stat().st_size
    pack(transcript)
    [packed] = transcript.parent.iterdir()
    assert (packed.name, packed.stat().st_mode & 0o777) == ("0001-m.jsonl.gz", 0o600)
    assert packed.stat().st_size * 4 < size
    assert (read_transcript(transcript), line_numbers(transcript)) == (before, lines)
    assert read_begun(transcript) == before
    content = packed.read_bytes()
    pack(transcript)
    assert packed.read_bytes() == content


STEPS: dict[str, tuple[Any, str]] = {
    "while it writes": (packing.shutil, "copyfileobj"),
    "before the content is on disk": (os, "fsync"),
    "before it is compared": (packing, "_sha256"),
    "before the packed file has its name": (Path, "replace"),
    "before that name is on disk": (packing, "sync_folder"),
    "before the plain file goes": (Path, "unlink"),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("failure", [KilledError(), OSError(errno.ENOSPC, "No space left on device")])
def test_a_crash_at_any_step_loses_nothing_and_packing_goes_on_afterwards(
    transcript: Path, step: str, failure: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_transcript(transcript)

    def fail(*_: object, **__: object) -> None:
        raise failure

    with monkeypatch.context() as patched:
        patched.setattr(*STEPS[step], fail)
        with pytest.raises(type(failure)):
            pack(transcript)
    assert packing.transcripts_in(transcript.parent) == [transcript]
    assert read_transcript(transcript) == before
    pack(transcript)
    assert names(transcript.parent) == ["0001-m.jsonl.gz"]
    assert read_transcript(transcript) == before


@pytest.mark.parametrize("damage", [lambda data: data[:-20], lambda data: data[:40] + b"\0" * 40 + data[80:]])
def test_a_damaged_packed_transcript_is_named(transcript: Path, damage: Callable[[bytes], bytes]) -> None:
    pack(transcript)
    packed = transcript.with_name("0001-m.jsonl.gz")
    packed.write_bytes(damage(packed.read_bytes()))
    with pytest.raises(RunFolderError, match=r"0001-m\.jsonl"):
        read_transcript(transcript)


def test_a_run_that_ended_is_packed_and_every_command_reads_it(program: Program) -> None:
    done = program("run", program.write(CASE), "--out", "run", "--json")
    trials = program.folder / "run" / "trials"
    assert names(trials)
    assert all(name.endswith(".jsonl.gz") for name in names(trials))
    assert program("report", "run", "--format", "json").out == done.out
    assert program("score", "run").code == done.code
    assert "gen_tps" in program("explain", "run", "other", "gen_tps").out
    again = program.host()
    resumed = program("run", "--resume", "run", host=again)
    assert (resumed.code, again.trials) == (done.code, [])


def test_a_run_that_was_packed_in_part_goes_on(program: Program) -> None:
    done = program("run", program.write(CASE), "--out", "run")
    run = program.folder / "run"
    whole = report_json(score(RunFolder.open(run)))
    (run / "end.json").unlink()
    last = sorted((run / "trials").iterdir())[-1]
    shutil.move(last, program.folder / "elsewhere")
    again = program.host()
    assert program("run", "--resume", "run", host=again).code == done.code
    assert len(again.trials) == 1
    assert names(run / "trials")[-1] == last.name
    assert len(program.report()["trials"]) == whole.count('"file": "trials/')


def test_what_was_interrupted_is_not_packed(program: Program) -> None:
    host = program.host()
    host.interrupt_at = 3
    assert program("run", program.write(CASE), "--out", "run", host=host).code == 130
    assert [name for name in names(program.folder / "run" / "trials") if name.endswith(".gz")] == []


def test_a_disk_that_is_full_when_a_run_ends_costs_neither_verdict_nor_transcript(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(packing.shutil, "copyfileobj", full)
    done = program("run", program.write(CASE), "--out", "run", host=program.host(other=Script()))
    assert done.code in (0, 4), done.err
    assert all(name.endswith(".jsonl") for name in names(program.folder / "run" / "trials"))
    assert program("score", "run").code == done.code
