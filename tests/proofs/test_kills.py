"""`proofs/kills.py`: a small part of it, and that it sees what it is there to see."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from runs import config_text, speaker_table
from scripted_host import Program, config, table

from parity.run.log import RunFolder

PROOF = Path(__file__).parents[2] / "proofs" / "kills.py"


@pytest.fixture
def kills(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("kills", PROOF)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "kills", module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_a_run_of_scripted_programs_survives_two_kills(tmp_path: Path) -> None:
    runtimes = speaker_table("base", ["--load", "0.2"]) + speaker_table("other", ["--load", "0.2"])
    case = tmp_path / "case.toml"
    case.write_text(config_text(runtimes, warmup=1), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, PROOF, "--kills", "2", "--seed", "5", "--config", case],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All 2 runs were completed; nothing was lost or run twice." in done.stdout


def lose(run: Path) -> None:
    sorted((run / "trials").iterdir())[0].unlink()


def change(run: Path) -> None:
    path = sorted((run / "trials").iterdir())[0]
    path.write_bytes(path.read_bytes().replace(b"scripted", b"sCripted"))


def repeat(run: Path) -> None:
    path = sorted((run / "trials").iterdir())[0]
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
