"""What a runtime's preparation came to, read from the transcripts and the notes that it left on disk."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from builders import MS, SPAWN_NS, job, timeline
from compiled import Compiled, CompiledSettings
from scripted_host import Script, ScriptedHost

from parity.adapter import Build, Need
from parity.adapter.events import Bye, Error, Event
from parity.config import RuntimeConfig
from parity.hosts.local import LocalHost
from parity.hosts.machine import host_facts
from parity.run.giving_up import Absent
from parity.run.prepare import ROOM, Preparation, files_in
from parity.run.prepared import UNASKED, Notes, Prepared, Proof, proof_step, read_prepared
from parity.transcript import End, Head, Launched, NoSpawn, Piece, Spawned, TranscriptWriter

GOOD = [*timeline(), Bye(t_ns=SPAWN_NS + 200 * MS, reason="length")]
BUILT = Build(executables={"compiled": "/nowhere/compiled"})


class Recorded:
    """A folder of recorded steps, written as a run writes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path_of(self, step: str) -> Path:
        return self.folder / f"{step}.jsonl"

    def step(self, step: str, out: str = "1.0\n", *, end: End | str | None = "exit", signal: int | None = None) -> None:
        """A step that printed `out`; `end` None: parity was killed while it ran."""
        purpose = "proof" if step.startswith("proof") else step
        asked = job() if purpose == "proof" else None
        writer = TranscriptWriter(
            self.path_of(step), Head.model_validate({"purpose": purpose, "runtime": "r", "job": asked})
        )
        writer.launch(Launched(argv=("compiler",), env={}))
        writer.spawn(Spawned(t_ns=SPAWN_NS, pid=1, wall="2031-01-02T03:04:05Z"))
        writer.piece(Piece(SPAWN_NS + 500 * MS, "out", out.encode()))
        if isinstance(end, str):
            code = None if signal else 0
            end = End.model_validate({"t_ns": SPAWN_NS + 600 * MS, "by": end, "exit_code": code, "signal": signal})
        if end is not None:
            writer.end(end)
        writer.close()

    def events(self, step: str, events: list[Event], *, signal: int | None = None) -> None:
        lines = "".join(event.model_dump_json() + "\n" for event in events)
        self.step(step, lines, signal=signal)

    def not_started(self, step: str, cause: str) -> None:
        writer = TranscriptWriter(self.path_of(step), Head.model_validate({"purpose": step, "runtime": "r"}))
        writer.no_spawn(NoSpawn.model_validate({"t_ns": 1, "errno": 2, "message": "no", "cause": cause}))
        writer.close()

    def notes(self, notes: Notes) -> None:
        (self.folder / "notes.json").write_text(notes.model_dump_json(), encoding="utf-8")

    def read(self) -> Prepared:
        return read_prepared(Compiled(CompiledSettings(), host_facts()), self.path_of)


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path)


# the probe


@pytest.mark.parametrize(
    "cut_off",
    [
        lambda recorded: None,
        lambda recorded: recorded.path_of("probe").touch(),
        lambda recorded: recorded.path_of("probe").write_bytes(b'{"head": {"ver'),
        lambda recorded: recorded.step("probe", end=None),
        lambda recorded: recorded.step("probe", end="cancel"),
        lambda recorded: recorded.not_started("probe", "cancelled"),
    ],
    ids=["never begun", "an empty file", "half a line", "killed", "cancelled", "cancelled before it began"],
)
def test_a_runtime_whose_probe_did_not_end_was_never_asked(
    recorded: Recorded, cut_off: Callable[[Recorded], object]
) -> None:
    cut_off(recorded)
    found = recorded.read()
    assert (found.found, found.absent, found.ready) == (UNASKED, None, False)


def test_a_runtime_that_is_not_there_is_unavailable_with_its_remedy(recorded: Recorded) -> None:
    recorded.not_started("probe", "system")
    assert recorded.read().absent == Absent("unavailable", "there is no compiler", "install compiler")


def test_a_probe_alone_makes_a_runtime_ready_that_is_neither_built_nor_proved(recorded: Recorded) -> None:
    recorded.step("probe")
    found = recorded.read()
    assert (found.ready, found.found.version, found.build, found.proof) == (True, "1.0", None, None)


def test_missing_files_are_all_named_and_a_remedy_that_they_share_is_named_once(recorded: Recorded) -> None:
    recorded.step("probe")
    recorded.step("build")
    recorded.notes(
        Notes(missing=tuple(Need(pattern=name, reason=f"{name} is missing", remedy="make all") for name in "ab"))
    )
    found = recorded.read()
    assert found.absent == Absent("unavailable", "a is missing; b is missing", "make all")
    assert found.build is None


# the build


def preparation(folder: Path, host: ScriptedHost, env: dict[str, str] | None = None) -> Preparation:
    common = RuntimeConfig(adapter="compiled", env=env or {})
    return Preparation("r", Compiled(CompiledSettings(), host.facts()), common, {}, host, files_in(folder))


def test_nothing_is_built_on_a_disk_without_room_and_the_run_knows_why(tmp_path: Path, recorded: Recorded) -> None:
    host = ScriptedHost({"r": Script()}, tmp_path / "cache", lacks_room="the build needs more than is free")
    prepares = preparation(tmp_path, host)
    built = prepares.build(prepares.ask())
    assert built.absent == Absent("unavailable", "the build needs more than is free", ROOM)
    assert [head.purpose for head in host.asked] == ["probe"]
    assert recorded.read().absent == built.absent


@pytest.mark.parametrize(("lacking", "env"), [(None, {}), ("the build needs more", {"TARGET": "/elsewhere"})])
def test_a_build_begins_where_there_is_room_or_the_config_says_that_it_writes_elsewhere(
    tmp_path: Path, lacking: str | None, env: dict[str, str]
) -> None:
    host = ScriptedHost({"r": Script()}, tmp_path / "cache", lacks_room=lacking)
    prepares = preparation(tmp_path, host, env)
    assert prepares.build(prepares.ask()).build == BUILT


def test_a_build_needs_no_room_for_what_is_there_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    needed, there = 3 << 20, tmp_path / "target" / "release" / "libcandle.rlib"
    assert "needs 3.00 MiB" in (LocalHost().no_room(str(tmp_path / "target"), needed, "the build") or "")
    there.parent.mkdir(parents=True)
    there.write_bytes(os.urandom(2 << 20))
    assert LocalHost().no_room(str(tmp_path / "target"), needed, "the build") is None


def test_a_build_that_ended_is_read(recorded: Recorded) -> None:
    recorded.step("probe")
    recorded.step("build")
    assert recorded.read().build == BUILT


def test_a_build_that_was_killed_is_no_build(recorded: Recorded) -> None:
    recorded.step("probe")
    recorded.step("build", end=None)
    found = recorded.read()
    assert (found.ready, found.build) == (True, None)


def test_a_build_that_failed_makes_the_runtime_absent(recorded: Recorded) -> None:
    recorded.step("probe")
    recorded.step("build", signal=9)
    recorded.events("proof", GOOD)
    found = recorded.read()
    assert found.absent == Absent("build", "error: expected `;`", "write a semicolon")
    assert found.proof is None


# proofs


def proved(recorded: Recorded, *proofs: list[Event], signals: tuple[int | None, ...] = (None, None)) -> Prepared:
    """What is read of a runtime that was built and asked for these proofs."""
    recorded.step("probe")
    recorded.step("build")
    for number, (events, signal) in enumerate(zip(proofs, signals, strict=False)):
        recorded.events(proof_step(number), events, signal=signal)
    return recorded.read()


def refused() -> list[Event]:
    return [
        *timeline()[:1],
        Error(t_ns=SPAWN_NS + 50 * MS, kind="refused", message="it does not know this architecture"),
        Bye(t_ns=SPAWN_NS + 200 * MS, reason="error"),
    ]


def test_tokens_of_a_tiny_model_are_a_proof(recorded: Recorded) -> None:
    assert proved(recorded, GOOD).proof == Proof("proved")


def test_every_kind_of_model_must_be_proved(recorded: Recorded) -> None:
    assert proved(recorded, GOOD, GOOD).proof == Proof("proved")


def test_a_crash_on_the_second_kind_of_model_makes_the_runtime_unavailable(recorded: Recorded) -> None:
    found = proved(recorded, GOOD, timeline()[:3], signals=(None, 11))
    assert found.absent is not None
    assert found.absent.at == "unavailable"
    assert found.absent.reason.startswith("it fails on a tiny model: crash:SIGSEGV")


def test_a_program_that_refuses_a_tiny_model_is_ready_and_not_proved(recorded: Recorded) -> None:
    found = proved(recorded, refused())
    assert found.ready
    assert found.proof is not None
    assert found.proof.kind == "not proved"
    assert "it does not know this architecture" in str(found.proof.reason)


def test_a_proof_that_was_killed_leaves_the_runtime_neither_proved_nor_not(recorded: Recorded) -> None:
    recorded.step("probe")
    recorded.step("build")
    recorded.step("proof", end=None)
    found = recorded.read()
    assert (found.ready, found.proof) == (True, None)


def test_why_there_was_no_proof_is_read_from_the_notes(recorded: Recorded) -> None:
    recorded.step("probe")
    recorded.step("build")
    recorded.notes(Notes(unproved="its table sets `prove = false`"))
    assert recorded.read().proof == Proof("not proved", "its table sets `prove = false`")


def test_one_proof_that_was_not_asked_for_leaves_the_runtime_unproved(recorded: Recorded) -> None:
    recorded.notes(Notes(unproved="there is no tiny model of the kind of N (odd)"))
    assert proved(recorded, GOOD).proof == Proof("not proved", "there is no tiny model of the kind of N (odd)")


@pytest.mark.parametrize("text", ["", "{", '{"missing": 1}', "[]"])
def test_damaged_notes_are_no_notes(recorded: Recorded, text: str) -> None:
    (recorded.folder / "notes.json").write_text(text, encoding="utf-8")
    assert proved(recorded, GOOD).proof == Proof("proved")
