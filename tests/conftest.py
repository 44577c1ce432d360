"""Fixtures that run `parity` as a user does: as a process, in a folder of its own."""

import signal
import subprocess
from pathlib import Path

import pytest
from runs import OWN, PARITY, Done, Parity, WriteConfig

# A shell ignores it in what it starts in the background, and every program under test would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Marks the processes of this test's runs as its own."""
    monkeypatch.setenv(OWN, str(tmp_path))
    return str(tmp_path)


@pytest.fixture
def parity(tmp_path: Path) -> Parity:
    def call(*args: str | Path, timeout_s: float = 120) -> Done:
        done = subprocess.run(
            [PARITY, *map(str, args)], cwd=tmp_path, capture_output=True, text=True, timeout=timeout_s, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr, tmp_path / "run")

    return call


@pytest.fixture
def write_config(tmp_path: Path) -> WriteConfig:
    def write(text: str) -> Path:
        path = tmp_path / "case.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
