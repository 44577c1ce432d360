"""`proofs/kills.py`: a small part of it, and that it sees what it is there to see."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from run_files import unpacked
from scripted_host import Program, config, table

from parity.run.log import RunFolder


@pytest.fixture
def kills(proof: Callable[[str], ModuleType]) -> ModuleType:
    return proof("kills")


@pytest.mark.slow
def test_a_run_of_scripted_programs_survives_two_kills(prove_twice: Callable[[str, str], None]) -> None:
    prove_twice("kills", "--kills")


def lose(run: Path) -> None:
    unpacked(run)[0].unlink()


def change(run: Path) -> None:
    path = unpacked(run)[0]
    path.write_bytes(path.read_bytes().replace(b"scripted", b"sCripted"))


def repeat(run: Path) -> None:
    path = unpacked(run)[0]
    path.with_name(f"0099{path.name[4:]}").write_bytes(path.read_bytes())


def interrupt(run: Path) -> None:
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    (run / "report.json").write_text(json.dumps({**report, "interrupted": True}), encoding="utf-8")


def forget(run: Path) -> None:
    (run / "results.jsonl").write_text("", encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "code", "complaint"),
    [
        (lambda run: None, 0, None),
        (lambda run: None, 1, "exit code 0 instead of 1"),
        (lose, 0, "was lost or changed"),
        (change, 0, "was lost or changed"),
        (repeat, 0, "a trial was run twice"),
        (interrupt, 0, "the report is not complete"),
        (forget, 0, "results.jsonl does not hold the trials of the report"),
    ],
)
def test_the_proof_complains_of_a_run_that_is_not_as_it_should_be(
    program: Program, kills: ModuleType, damage: Callable[[Path], None], code: int, complaint: str | None
) -> None:
    program("run", program.write(config(table("base") + table("other"), rounds=2)), "--out", "run")
    log = RunFolder(program.folder / "run")
    before = kills.finished(log)
    damage(log.path)
    done = subprocess.CompletedProcess((), 0, "", "")
    found = list(kills.complaints(log, before, done, code))
    assert (complaint is None) == (found == [])
    assert complaint is None or any(complaint in line for line in found)
