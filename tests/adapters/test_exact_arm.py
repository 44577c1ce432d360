"""The members of the exact arm, each beside a forward in f64 that shares no code with either, and beside each other."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from exact_forward import logprobs
from gguf_editing import edited
from model_files import facts_of
from synthetic import synthesise

from parity.adapter import Adapter, Build
from parity.cache import cache_folder
from parity.hosts.machine import host_facts
from parity.models import silent
from parity.models.exact_cache import exact_model
from parity.outputs.floors import GELU_TABLE
from parity.outputs.tolerance import PASSES
from parity.records import ScoreRequest
from parity_adapters.candle import Candle
from parity_adapters.candle.building import REFERENCE
from parity_adapters.candle.settings import CandleSettings
from parity_adapters.llama_cpp import LlamaCpp, LlamaCppSettings
from parity_adapters.mlx_lm import MlxLm, MlxLmSettings

CRATE = Path(__file__).parents[2] / "vendor-scripts" / "candle-reference"
POSITIONS = 120
LARGEST = 1e-4
"""Nats, between any two of the three. Measured were at most 2.3e-5 from f64, and 1e-5 between the two; six
decimals are printed."""

LOOKED_UP = PASSES * GELU_TABLE
"""Nats, of llama.cpp where it takes GELU from a table of F16."""

LLAMA = {"kv_type": "q8_0", "flash_attention": True, "extra_buffers": True, "gpu_layers": -1, "context": 64, "batch": 7}
CANDLE: dict[str, Any] = {"source": "reference", "path": str(CRATE), "rope_dtype": "f16", "accept_deviations": True}


def llama_cpp() -> LlamaCpp:
    """The twin of a runtime that is set up to compute as inexactly as it can."""
    parent = LlamaCpp(LlamaCppSettings(threads=1, **LLAMA), host_facts())
    return LlamaCpp(parent.exact, parent.host)


def candle() -> Candle:
    parent = Candle(CandleSettings(threads=1, **CANDLE), host_facts())
    assert parent.exact is not None
    return Candle(parent.exact, parent.host)


def test_a_twin_computes_in_f32_throughout_and_differs_in_nothing_else() -> None:
    ours = llama_cpp().settings
    assert ours == LlamaCppSettings(
        threads=1, batch=7, kv_type="f32", flash_attention=False, extra_buffers=False, gpu_layers=0
    )
    theirs = candle().settings
    assert theirs == CandleSettings(source="reference", path=str(CRATE), threads=1, rope_dtype="f32", cpu=True)
    features = CandleSettings(source="reference", path=str(CRATE), features=("cuda",), target_cpu="native")
    twin = Candle(features, host_facts()).exact
    assert twin is not None
    assert twin.device == "cpu"
    assert twin.build_folder(Path("/c")) == features.build_folder(Path("/c")), "the parent's build is the twin's"


def test_programs_that_cannot_score_in_f32_have_none() -> None:
    assert Candle(CandleSettings(), host_facts()).exact is None
    assert MlxLm(MlxLmSettings(), host_facts()).exact is None


@pytest.fixture(scope="module")
def built() -> Build:
    """The Candle reference, built where the adapter builds it."""
    assert shutil.which("cargo"), "the Candle reference is built by cargo"
    command = candle().build()
    done = subprocess.run(
        command.argv, cwd=command.cwd, env={**os.environ, **command.env}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    target = candle().settings.build_folder(cache_folder()) / "target"
    return Build(executables={REFERENCE: str(target / "release" / REFERENCE)})


EDITED = {
    # Candle computes Phi-3's RoPE with this base, whatever the file says, and refuses any other.
    "tiny-phi3": {"phi3.rope.freq_base": 10_000.0},
    # A window that the sequence is longer than.
    "tiny-gemma3": {"gemma3.attention.sliding_window": 32},
}


def model_of(preset: str, quant: str, folder: Path) -> Path:
    path = synthesise(preset, quant, 3)
    return edited(path, folder / "edited.gguf", fields=EDITED[preset]) if preset in EDITED else path


@pytest.mark.slow
@pytest.mark.parametrize("quant", ["Q8_0", "Q4_K_M"])
@pytest.mark.parametrize("preset", ["tiny-llama", "tiny-qwen3", "tiny-phi3", "tiny-qwen2", "tiny-gemma3"])
def test_both_members_give_the_log_probabilities_of_a_forward_in_f64(
    run_job: Callable[..., Any], built: Build, tmp_path: Path, preset: str, quant: str
) -> None:
    exact = exact_model(facts_of(model_of(preset, quant, tmp_path)), tmp_path / "cache", silent)
    ids = [(7 * k * k + 31 * k + 5) % 4000 for k in range(POSITIONS)]
    truth = logprobs(Path(exact.path), ids)
    found, most = {}, {"candle": LARGEST, "llama": LOOKED_UP if preset == "tiny-gemma3" else LARGEST}
    request = ScoreRequest(ids=tuple(ids), prompt_tokens=1)
    facts = {"architecture": preset.removeprefix("tiny-")}
    members: dict[str, tuple[Adapter[Any], Build | None]] = {"llama": (llama_cpp(), None), "candle": (candle(), built)}
    for name, (adapter, build) in members.items():
        ran = run_job(adapter, Path(exact.path), build=build, score=request, facts=facts)
        assert ran.failure is None, ran.failure
        assert len(ran.scores) == POSITIONS - 1
        found[name] = ran.scores
        off = [abs(s.logprob - truth[s.position - 1][s.id]) for s in ran.scores]
        off += [abs(value - truth[s.position - 1][token]) for s in ran.scores for token, value in s.top]
        print(f"{preset} {quant} {name}: {max(off):.2g}")
        assert max(off) < most[name], name
        assert (ran.settings.get("gelu") is not None) == (most[name] == LOOKED_UP)
    apart = [abs(a.logprob - b.logprob) for a, b in zip(found["llama"], found["candle"], strict=True)]
    print(f"{preset} {quant} between them: {max(apart):.2g}")
    assert max(apart) < most["llama"]
