"""The proofs, which are programs and no package, as modules."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from runs import config_text, speaker_table

PROOFS = Path(__file__).parents[2] / "proofs"


@pytest.fixture
def proof(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, PROOFS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def prove_twice(tmp_path: Path) -> Callable[[str, str], None]:
    """Lets a proof make two tries on a run of scripted programs: `prove_twice(NAME, OPTION)`."""

    def prove(name: str, option: str) -> None:
        runtimes = speaker_table("base", ["--load", "0.2"]) + speaker_table("other", ["--load", "0.2"])
        case = tmp_path / "case.toml"
        case.write_text(config_text(runtimes, warmup=1), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, PROOFS / f"{name}.py", option, "2", "--seed", "5", "--config", case],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "All 2 runs were completed; nothing was lost or run twice." in done.stdout

    return prove
