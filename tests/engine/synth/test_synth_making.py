"""Making a synthetic model: whole or not at all, once, in little memory."""

import fcntl
import re
import shutil
import signal
import subprocess
import sys
import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from synthetic import synthesise

from parity.errors import ModelError
from parity.models import Step, model_facts, parse_source
from parity_synth import PRESETS, Synthetic

KILLED = """
import os, signal, sys
from parity_synth import Synthetic
def die(step):
    if step.what.startswith("writing") and step.done * 2 > step.total:
        os.kill(os.getpid(), signal.SIGKILL)
Synthetic("tiny-qwen3", "F16", 1).fetch(die)
"""


@pytest.mark.slow
def test_killed_maker_leaves_nothing_under_the_final_name(own_cache: Path) -> None:
    process = subprocess.run([sys.executable, "-c", KILLED], check=False)
    assert process.returncode == -signal.SIGKILL
    assert parse_source("synth://tiny-qwen3/F16@1", Path()).locate() is None
    assert len(list((own_cache / "synth").glob(".*.part-*"))) == 1
    path = synthesise("tiny-qwen3", "F16", 1)
    assert model_facts("m", "M", str(path), base=Path()).architecture == "qwen3"
    assert not list((own_cache / "synth").glob(".*.part-*"))


def test_interrupted_maker_leaves_nothing_at_all(own_cache: Path) -> None:
    def interrupt(step: Step) -> None:
        if step.what.startswith("writing"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesise("tiny-qwen3", "F16", 1, watch=interrupt)
    assert {path.suffix for path in (own_cache / "synth").iterdir()} == {".lock"}


MAKER = """
from parity_synth import Synthetic
steps = []
Synthetic("tiny-qwen3", "F16", 1).fetch(steps.append)
print(any(step.what.startswith("writing") for step in steps))
"""


@pytest.mark.slow
def test_two_makers_at_once_make_one_model() -> None:
    makers = [subprocess.Popen([sys.executable, "-c", MAKER], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(maker.communicate(timeout=120)[0].strip() for maker in makers)
    assert said == ["False", "True"]


def test_a_maker_that_waits_for_another_says_so(own_cache: Path) -> None:
    model = Synthetic("tiny-qwen3", "F16", 1)
    model.folder.parent.mkdir(parents=True)
    steps: list[str] = []
    waiting = threading.Event()

    def see(step: Step) -> None:
        steps.append(step.what)
        waiting.set()

    with model.folder.with_name(f".{model.folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        maker = threading.Thread(target=model.fetch, args=(see,))
        maker.start()
        assert waiting.wait(timeout=60)
        assert steps == [f"waiting for another parity that is making {model.folder.name}"]
    maker.join(timeout=120)
    assert model.locate() is not None


@pytest.mark.slow
def test_weights_are_in_memory_one_tensor_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = replace(PRESETS["tiny-qwen3"], name="deep", layers=40, vocab=1536, tokens=1500)
    monkeypatch.setitem(PRESETS, "deep", deep)
    tracemalloc.start()
    try:
        path = synthesise("deep", "F32", 1)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 90e6
    assert peak_bytes < 20e6


def test_cache_that_cannot_be_written_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelError, match="PARITY_CACHE"):
        synthesise("tiny-qwen3", "F16", 1)


def test_too_little_room_is_reported_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    with pytest.raises(ModelError) as told:
        synthesise("tiny-qwen3", "F16", 1)
    folder = re.escape(str(tmp_path / "cache" / "synth"))
    assert re.search(rf"needs .*[\d,]+ bytes\) on the disk of {folder}, and .*1,000,000 bytes\)", told.value.wrong)
    assert "PARITY_CACHE" in told.value.remedy
    assert not list((tmp_path / "cache" / "synth").rglob("*.gguf"))
