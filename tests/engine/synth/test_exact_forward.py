"""The forward pass in f64 that tests rely on, beside llama.cpp on exact weights."""

from pathlib import Path

import numpy as np
import pytest
from exact_forward import logprobs
from gguf import GGMLQuantizationType
from gguf_editing import Added, edited
from synthetic import synthesise

IDS = [7, 300, 41, 5, 2900, 1, 1, 77, 1024, 12]


def by_llama_cpp(path: Path, ids: list[int]) -> np.ndarray:
    from llama_cpp import GGML_TYPE_F32, Llama

    model = Llama(
        str(path), n_ctx=64, n_threads=1, logits_all=True, type_k=GGML_TYPE_F32, type_v=GGML_TYPE_F32, verbose=False
    )
    model.eval(ids)
    logits = np.array(model.scores[: len(ids)], dtype=np.float64)
    model.close()
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["tiny-llama", "tiny-qwen2", "tiny-qwen3", "tiny-phi3", "tiny-gemma3"])
def test_llama_cpp_gives_the_same_log_probabilities_of_f32_weights(preset: str) -> None:
    path = synthesise(preset, "F32", 3)
    # llama.cpp looks GELU up in a table of F16 (ggml-cpu: `ggml_vec_gelu_f32`).
    largest = 4e-3 if preset == "tiny-gemma3" else 2e-4
    assert np.abs(logprobs(path, IDS) - by_llama_cpp(path, IDS)).max() < largest


@pytest.mark.slow
@pytest.mark.parametrize(
    "fields",
    [
        {"{}.rope.freq_base": 20_000.0},
        {"{}.attention.layer_norm_rms_epsilon": 0.01},
        {"{}.rope.scaling.type": "linear", "{}.rope.scaling.factor": 2.0},
    ],
    ids=["rope base", "RMS epsilon", "linear scaling"],
)
def test_a_changed_field_changes_both_alike(tmp_path: Path, fields: dict[str, float | str]) -> None:
    path = synthesise("tiny-qwen3", "F32", 3)
    named = {key.format("qwen3"): value for key, value in fields.items()}
    changed = edited(path, tmp_path / "changed.gguf", fields=named)
    exact = logprobs(changed, IDS)
    assert np.abs(exact - by_llama_cpp(changed, IDS)).max() < 2e-4
    assert np.abs(exact - logprobs(path, IDS)).max() > 1e-3


FACTORS = np.linspace(1, 4, 24, dtype=np.float32)
"""Of a rotation of 48 dimensions."""

OWN = {
    "part of a head": ("tiny-phi3", {"phi3.rope.dimension_count": 48}, ()),
    "short factors": ("tiny-phi3", {"phi3.rope.dimension_count": 48}, ("short",)),
    "long factors": (
        "tiny-phi3",
        {"phi3.rope.dimension_count": 48, "phi3.rope.scaling.original_context_length": 4},
        ("short", "long"),
    ),
    "attention factor": ("tiny-phi3", {"phi3.rope.scaling.attn_factor": 1.2}, ()),
    "window": ("tiny-gemma3", {"gemma3.attention.sliding_window": 4}, ()),
    "pattern": (
        "tiny-gemma3",
        {"gemma3.attention.sliding_window": 4, "gemma3.attention.sliding_window_pattern": 2},
        (),
    ),
    "no window": ("tiny-gemma3", {"gemma3.attention.sliding_window": 0}, ()),
    "base of windows": ("tiny-gemma3", {"gemma3.rope.freq_base_swa": 100.0}, ()),
    "scaling without windows": (
        "tiny-gemma3",
        {"gemma3.rope.scaling.type": "linear", "gemma3.rope.scaling.factor": 8.0},
        (),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "fields", "factors"), OWN.values(), ids=OWN)
def test_what_one_architecture_has_of_its_own_changes_both_alike(
    tmp_path: Path, preset: str, fields: dict[str, float | str], factors: tuple[str, ...]
) -> None:
    path = synthesise(preset, "F32", 3)
    added = {
        f"rope_factors_{name}.weight": Added(FACTORS * (1 + k), GGMLQuantizationType.F32)
        for k, name in enumerate(factors)
    }
    changed = edited(path, tmp_path / "changed.gguf", fields=fields, added=added)
    exact = logprobs(changed, IDS)
    assert np.abs(exact - by_llama_cpp(changed, IDS)).max() < (4e-3 if "gemma3" in preset else 2e-4)
    assert np.abs(exact - logprobs(path, IDS)).max() > 1e-2


@pytest.mark.slow
def test_an_unchanged_copy_computes_the_same(tmp_path: Path) -> None:
    path = synthesise("tiny-llama", "Q8_0", 3)
    copy = edited(path, tmp_path / "copy.gguf")
    assert np.array_equal(logprobs(copy, IDS), logprobs(path, IDS))
