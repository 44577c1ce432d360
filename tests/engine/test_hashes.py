"""Hashes that a run records: once for each file, and read back from the run folder, never from the file again."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from builders import job, transcript

from parity.adapter import Launch
from parity.hosts.host import Request
from parity.records import Limits
from parity.run.files import look, programs_of
from parity.run.hashes import (
    executable_sha256,
    record_executable,
    record_program,
    record_weights_sha256,
    recorded_executables,
    recorded_weights_sha256,
)
from parity.run.log import RunFolder
from parity.transcript import Launched, Transcript


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", "c")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def program(tmp_path: Path, data: bytes = b"one") -> Path:
    path = tmp_path / "bin" / "tool"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o755)
    return path


def launched(*argv: str, path: str, spawned: bool = True) -> Transcript:
    whole = transcript(spawned=spawned)
    request = Request(Launch(argv=argv, env={"PATH": path}), whole.head, Limits())
    files = look(job(), programs_of(request, job()))
    return replace(whole, head=whole.head.but(files=files), launch=Launched(argv=argv, env={"PATH": path}))


def test_weights_keep_the_hash_that_they_had_when_they_were_first_used(folder: RunFolder, tmp_path: Path) -> None:
    weights = tmp_path / "w.gguf"
    weights.write_bytes(b"one")
    assert record_weights_sha256(folder, str(weights)) == sha256(b"one")
    weights.write_bytes(b"two")
    assert record_weights_sha256(folder, str(weights)) == sha256(b"one")
    weights.unlink()
    assert recorded_weights_sha256(folder, str(weights)) == sha256(b"one")


def test_several_weights_are_recorded_beside_each_other(folder: RunFolder, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode())
        record_weights_sha256(folder, str(tmp_path / name))
    assert [recorded_weights_sha256(folder, str(tmp_path / name)) for name in ("a", "b")] == [
        sha256(b"a"),
        sha256(b"b"),
    ]


def test_weights_that_are_not_there_have_no_hash_and_are_tried_again(folder: RunFolder, tmp_path: Path) -> None:
    weights = tmp_path / "w.gguf"
    assert record_weights_sha256(folder, str(weights)) is None
    assert recorded_weights_sha256(folder, str(weights)) is None
    weights.write_bytes(b"one")
    assert record_weights_sha256(folder, str(weights)) == sha256(b"one")


def test_an_executable_is_recorded_once_for_its_runtime_with_its_hash(folder: RunFolder, tmp_path: Path) -> None:
    tool = program(tmp_path)
    for data in (b"one", b"two"):
        tool.write_bytes(data)
        record_executable(folder, "one", "tool", tool)
    record_executable(folder, "two", "tool", tool)
    assert recorded_executables(folder) == {
        "one": {"tool": (str(tool), sha256(b"one"))},
        "two": {"tool": (str(tool), sha256(b"two"))},
    }


def test_an_executable_that_is_not_there_is_recorded_without_a_hash(folder: RunFolder, tmp_path: Path) -> None:
    record_executable(folder, "one", "tool", tmp_path / "gone")
    assert recorded_executables(folder) == {"one": {"tool": (str(tmp_path / "gone"), None)}}
    assert executable_sha256(tmp_path) is None


def test_what_was_launched_is_found_on_the_path_that_it_was_launched_with(folder: RunFolder, tmp_path: Path) -> None:
    tool = program(tmp_path)
    record_program(folder, "one", launched("tool", "--fast", path=str(tool.parent)))
    assert recorded_executables(folder) == {"one": {"tool": (str(tool), sha256(b"one"))}}


def test_what_was_not_started_is_not_recorded(folder: RunFolder, tmp_path: Path) -> None:
    tool = program(tmp_path)
    record_program(folder, "one", launched(str(tool), path="", spawned=False))
    record_program(folder, "one", launched("no-such-tool", path=str(tool.parent)))
    assert recorded_executables(folder) == {}
