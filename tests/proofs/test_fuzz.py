"""`proofs/fuzz.py`: a moment of each target, the inputs that failed once, and that it sees what it is there to see."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from fuzz_targets import TARGETS, Target, corpus, reads

PROOF = Path(__file__).parents[2] / "proofs" / "fuzz.py"
KEPT = [(name, path) for name in TARGETS for path in corpus(name)]


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_of_a_target_are_read(name: str) -> None:
    found = [reads(TARGETS[name], seed) for seed in TARGETS[name].seeds()]
    assert any(found), f"none of {len(found)} seeds"


@pytest.mark.parametrize(("name", "path"), KEPT, ids=[f"{name}/{path.name}" for name, path in KEPT])
def test_what_failed_once_is_read_or_refused(name: str, path: Path) -> None:
    reads(TARGETS[name], path.read_bytes())


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_a_moment_of_each_target_finds_nothing(name: str) -> None:
    done = subprocess.run(
        [sys.executable, PROOF, "--seconds", "2", "--seed", "1", "--only", name],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def fuzz(proof: Callable[[str], ModuleType]) -> ModuleType:
    return proof("fuzz")


def fails(data: bytes) -> None:
    if b"\x07" in data:
        raise KeyError("found")


def spins(data: bytes) -> None:
    if b"\x07" in data:
        sum(range(3_000_000))


@pytest.mark.parametrize(("read", "failure"), [(fails, "KeyError: 'found'"), (spins, "AssertionError: took")])
def test_a_failure_is_found_and_made_small(
    fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch, read: Callable[[bytes], None], failure: str
) -> None:
    monkeypatch.setattr(fuzz, "SLOWEST_S", 0.01)
    tally, found = fuzz.fuzz(Target(read, (ValueError,), lambda: [b"seed" * 9], (b"\x07",)), 60, 1)
    assert tally.failure.startswith(failure)
    assert b"\x07" in found
    assert len(found) < 50
