"""The Candle reference: its own checks, and the same ids and log-probabilities as llama.cpp on a real model."""

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from all_engines import NEEDS_CARGO
from candle_trials import a_job
from gguf_editing import edited
from runs import MODEL
from synthetic import synthesise
from texts import AWKWARD

from parity.adapter import Build
from parity.adapter.events import EVENT, Bye, Prompt, ScoredPosition, Token
from parity.cache import cache_folder
from parity.models import model_facts
from parity.records import ScoreRequest
from parity_adapters.candle.building import REFERENCE
from parity_adapters.candle.launching import launch_reference
from parity_adapters.candle.settings import CandleSettings

CRATE = Path(__file__).parents[2] / "vendor-scripts" / "candle-reference"
SETTINGS = CandleSettings(source="reference", path=str(CRATE))
TARGET = SETTINGS.build_folder(cache_folder()) / "target"
BUILT_WHERE = {
    "CARGO_TARGET_DIR": str(TARGET),
    "CARGO_BUILD_BUILD_DIR": str(SETTINGS.shared_build_folder(cache_folder())),
}
"""Where the adapter builds it too: once is enough."""

POSITIONS = 200
NEAR_TIE = 0.5
"""Logits: two engines that differ by rounding alone may take the other branch where the margin is below this."""

pytestmark = [pytest.mark.slow, NEEDS_CARGO]

LLAMA = """
import json, sys
import numpy as np
from llama_cpp import Llama
path, prompt, count = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
model = Llama(path, n_ctx=len(prompt) + count + 8, n_threads=1, n_threads_batch=1, logits_all=True, verbose=False)
model.eval(prompt)
ids = list(prompt)
for _ in range(count):
    token = int(np.argmax(model.scores[len(ids) - 1]))
    ids.append(token)
    model.eval([token])
scores = np.array(model.scores[: len(ids)], dtype=np.float64)
np.save(sys.argv[4], (scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)).astype(np.float32))
print(json.dumps(ids))
"""


@pytest.fixture(scope="module")
def program() -> Path:
    """The program, built where later builds find it again."""
    cargo("build", "--release", "--locked")
    return TARGET / "release" / "candle-reference"


def cargo(*arguments: str, **env: str) -> str:
    assert shutil.which("cargo"), "there is no cargo here, and CI has to build and check the Candle reference"
    done = subprocess.run(
        ["cargo", *arguments],
        cwd=CRATE,
        env={**os.environ, **BUILT_WHERE, "RUSTFLAGS": "", **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_own_checks_pass(program: Path, tmp_path: Path) -> None:
    """With them the one that needs a real model's vocabulary, which cargo leaves out unless told."""
    cargo("fmt", "--check")
    cargo("clippy", "--release", "--locked", "--all-targets", "--", "-D", "warnings")
    model = model_facts("smollm2", "SmolLM2", MODEL, base=tmp_path)
    printed = cargo("test", "--release", "--locked", "--", "--include-ignored", CANDLE_REFERENCE_SMOLLM2=model.path)
    assert "smollm2_gives_the_ids_of_llama_cpp ... ok" in printed
    assert "test result: ok" in printed


def test_it_has_a_feature_for_every_device_and_library() -> None:
    [package] = json.loads(cargo("metadata", "--no-deps", "--format-version=1"))["packages"]
    assert {"cpu", "metal", "cuda", "accelerate", "mkl"} <= package["features"].keys()


def events_of(program: Path, job: dict[str, Any], folder: Path) -> list[Any]:
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    done = subprocess.run([program, "--job", folder / "job.json"], capture_output=True, check=True)
    return [EVENT.validate_json(line) for line in done.stdout.splitlines()]


def llama(model: str, prompt: list[int], count: int, folder: Path) -> tuple[list[int], Any]:
    """llama.cpp's greedy ids after the prompt, and its log-probabilities of every position (positions × vocabulary)."""
    import numpy as np

    saved = folder / "llama.npy"
    done = subprocess.run(
        [sys.executable, "-c", LLAMA, model, json.dumps(prompt), str(count), str(saved)],
        capture_output=True,
        text=True,
        check=True,
    )
    ids: list[int] = json.loads(done.stdout)
    return ids, np.load(saved)


def test_real_weights_give_llama_cpps_ids_and_log_probabilities(
    program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import numpy as np

    model = model_facts("smollm2", "SmolLM2", MODEL, base=tmp_path)
    job = {
        "model": model.model_dump(mode="json"),
        "settings": {"threads": 1},
        "test": {
            "prompt": "What is 2+2?",
            "raw": False,
            "max_tokens": 60,
            "ignore_end": True,
            "sampling": {"temperature": 0.0, "seed": 0, "top_k": None, "top_p": None},
        },
    }
    events = events_of(program, job, tmp_path)
    [prompt] = [e.ids for e in events if isinstance(e, Prompt)]
    ours = [e.id for e in events if isinstance(e, Token)]
    assert prompt is not None
    ids, scores = llama(model.path, prompt, POSITIONS, tmp_path)
    theirs = ids[len(prompt) :]
    agreed = next((k for k, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), len(ours))
    if agreed < len(ours):
        at = scores[len(prompt) + agreed - 1]
        margin = float(at[theirs[agreed]] - at[ours[agreed]])
        assert margin < NEAR_TIE, f"ids part after {agreed} tokens at a margin of {margin:.2f} logits"
    assert agreed >= 8

    sequence = ScoreRequest(ids=tuple(ids), prompt_tokens=len(prompt), top=scores.shape[1])
    asked = a_job("llama", path=model.path).but(task="score", score=sequence, scratch=str(tmp_path))
    launch = launch_reference(SETTINGS, asked, Build(executables={REFERENCE: str(program)}))
    events = events_of(program, json.loads(launch.files["job.json"]), tmp_path)
    assert [e.ids for e in events if isinstance(e, Prompt)] == [prompt]
    scored = [e for e in events if isinstance(e, ScoredPosition)]
    assert [(e.position, e.id) for e in scored] == list(enumerate(ids))[1:]
    assert [e.reason for e in events if isinstance(e, Bye)] == ["scored"]
    divergences = []
    for event in scored[len(prompt) - 1 :]:
        mine = np.full(scores.shape[1], -np.inf)
        mine[[token for token, _ in event.top]] = [logprob for _, logprob in event.top]
        true = scores[event.position - 1].astype(np.float64)
        divergences.append(float(np.sum(np.exp(true) * (true - mine))))
    mean = math.fsum(divergences) / len(divergences)
    with capsys.disabled():
        print(f"\nmean KL of llama.cpp against Candle, {len(divergences)} positions: {mean:.4f}; same ids: {agreed}")
    assert len(divergences) >= POSITIONS
    assert mean < 0.01


def test_sentencepieces_tokenizer_gives_llama_cpps_ids(
    program: Path, tmp_path: Path, tiny_gguf: Callable[..., Path]
) -> None:
    from llama_cpp import Llama

    whole = tiny_gguf("gemma3", sentencepiece=True, keys={"gemma3.attention.sliding_window": 0})
    model = edited(whole, tmp_path / "tied.gguf", dropped=("output.weight",))
    llama = Llama(str(model), vocab_only=True, verbose=False)
    for text in (*AWKWARD, "the quick  the\n\n   <table>the <end_of_turn>the", "ththeinquickk", "<bos>the"):
        test = {"prompt": text, "raw": True, "max_tokens": 1, "ignore_end": True}
        events = events_of(program, {"model": {"path": str(model)}, "test": test}, tmp_path)
        [prompt] = [e for e in events if isinstance(e, Prompt)]
        begun = llama.tokenize(text.encode(), add_bos=not text.startswith("<bos>"), special=True)
        assert prompt.ids == begun, text


def test_awkward_text_has_the_ids_of_the_synthetic_models_tokenizer(program: Path, tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    model = synthesise("tiny-qwen3", "Q8_0", 1)
    tokenizer = Tokenizer.from_file(str(model.with_name("tokenizer.json")))
    for text in AWKWARD:
        test = {"prompt": text, "raw": True, "max_tokens": 1, "ignore_end": True}
        events = events_of(program, {"model": {"path": str(model)}, "test": test}, tmp_path)
        [prompt] = [e for e in events if isinstance(e, Prompt)]
        assert prompt.ids == tokenizer.encode(text, add_special_tokens=False).ids, text
