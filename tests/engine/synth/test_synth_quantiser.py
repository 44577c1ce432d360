"""The quantiser is a process of its own: its progress, its failures, and its end."""

import signal
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from synthetic import synthesise

from parity.errors import ModelError
from parity.models import Step, model_facts
from parity_synth import quantising


@pytest.fixture
def quantiser(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Puts a script in the place of the quantiser; `sys.argv[1:]` are source, target and quantisation."""

    def use(script: str) -> None:
        path = tmp_path / "quantiser.py"
        path.write_text(script)
        monkeypatch.setattr(quantising, "SCRIPT", path)

    return use


COPY = """
import shutil, sys
print('a line of another kind')
print('1 40', flush=True)
shutil.copy(sys.argv[1], sys.argv[2])
print('2 40')
"""


def test_progress_of_a_quantiser_counts_tensors(quantiser: Callable[[str], None]) -> None:
    quantiser(COPY)
    steps: list[Step] = []
    path = synthesise("tiny-qwen3", "Q4_K_M", 1, watch=steps.append)
    tensors = sum(model_facts("m", "M", str(path), base=Path()).quantisation.values())
    assert steps[-2:] == [Step(f"quantising {path.name}", done, tensors, "tensors") for done in (1, 2)]


@pytest.mark.parametrize(
    ("script", "reason", "remedy"),
    [
        ("import sys; print('llama-cpp-python is missing', file=sys.stderr); sys.exit(3)", "is missing", "llama-cpp]"),
        ("import sys; open(sys.argv[2], 'w').write('half'); sys.exit('no room')", "no room", "--upgrade"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "by signal 11", "--upgrade"),
        ("import time; time.sleep(600)", "did not finish in 0 s", "--upgrade"),
    ],
)
def test_quantiser_that_fails_is_reported_with_its_reason_and_leaves_nothing(
    script: str,
    reason: str,
    remedy: str,
    quantiser: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    own_cache: Path,
) -> None:
    quantiser(script)
    monkeypatch.setattr(quantising, "DEADLINE_S", 0.5)
    with pytest.raises(ModelError) as caught:
        synthesise("tiny-qwen3", "Q4_K_M", 1)
    assert "Q4_K_M can't be made here" in caught.value.wrong
    assert reason in caught.value.wrong
    assert remedy in caught.value.remedy
    assert {path.suffix for path in (own_cache / "synth").iterdir()} == {".lock"}


def test_quantiser_without_llama_cpp_python_names_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / "bin" / "python"))
    with pytest.raises(ModelError) as caught:
        synthesise("tiny-qwen3", "Q4_K_M", 1)
    assert "llama-cpp-python can't be imported" in caught.value.wrong
    assert caught.value.remedy == "pip install 'parity-matrix[llama-cpp]'"


def test_interrupted_quantiser_leaves_no_process(
    quantiser: Callable[[str], None], tmp_path: Path, own_cache: Path
) -> None:
    pid = tmp_path / "pid"
    quantiser(f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); print('1 2'); time.sleep(600)")

    def interrupt(step: Step) -> None:
        if step.what.startswith("quantising"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesise("tiny-qwen3", "Q4_K_M", 1, watch=interrupt)
    assert not psutil.pid_exists(int(pid.read_text()))
    assert {path.suffix for path in (own_cache / "synth").iterdir()} == {".lock"}


def run_quantiser(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, quantising.SCRIPT, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_quantiser_prints_a_line_for_each_tensor(made: Callable[[str, str], Path], tmp_path: Path) -> None:
    source = made("tiny-qwen3", "F16")
    done = run_quantiser(source, tmp_path / "out.gguf", "Q6_K")
    assert done.returncode == 0, done.stderr
    tensors = sum(model_facts("m", "M", str(source), base=Path()).quantisation.values())
    assert done.stdout.splitlines() == [f"{k} {tensors}" for k in range(1, tensors + 1)]


@pytest.mark.slow
def test_quantiser_that_gets_no_model_says_why(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"not a model")
    done = run_quantiser(tmp_path / "m.gguf", tmp_path / "out.gguf", "Q6_K")
    assert done.returncode == 1
    assert "llama.cpp's quantiser failed: " in done.stderr
    assert run_quantiser(tmp_path / "m.gguf", tmp_path / "out.gguf", "Q9_9").returncode == 2


@pytest.mark.slow
def test_quantiser_ends_when_the_reader_of_its_progress_dies(made: Callable[[str, str], Path], tmp_path: Path) -> None:
    argv = (sys.executable, quantising.SCRIPT, made("tiny-qwen3", "F16"), tmp_path / "out.gguf", "Q4_K_M")
    process = subprocess.Popen(argv, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=120) == -signal.SIGPIPE
