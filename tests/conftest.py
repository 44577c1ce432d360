"""Fixtures that run `parity` as a user does: as a process, in a folder of its own."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from runs import OWN, PARITY, Done, Parity, WriteConfig
from scripted_host import Program

from parity import registry

AddAdapter = Callable[[str, str], None]

# How long an example takes says how busy the machine is, and nothing of the code.
hypothesis.settings.register_profile("any-machine", deadline=None)
hypothesis.settings.load_profile("any-machine")

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


@pytest.fixture
def add_adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AddAdapter]:
    """Registers an adapter as an installed package does, for one test: `add_adapter(NAME, "MODULE:CLASS")`."""

    def add(name: str, target: str) -> None:
        info = tmp_path / "site" / f"{name}_package-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-package\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\n{name} = {target}\n", encoding="utf-8")
        monkeypatch.syspath_prepend(info.parent)
        registry._points.cache_clear()

    yield add
    monkeypatch.undo()
    registry._points.cache_clear()


@pytest.fixture
def program(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Program:
    return Program(tmp_path, capsys, monkeypatch)
