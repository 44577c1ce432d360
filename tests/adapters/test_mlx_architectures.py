"""mlx-lm on what one architecture has of its own, and on SentencePiece's tokenizer, beside llama.cpp."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import job
from gguf import GGMLQuantizationType
from gguf_editing import Added, edited
from llama_tokens import llama_cpp_ids
from requantising import census, requantised
from texts import AWKWARD

import parity_worker
from parity.hosts.machine import host_facts
from parity_adapters.llama_cpp import LlamaCpp, LlamaCppSettings
from parity_adapters.mlx_lm import MlxLm, MlxLmSettings
from parity_adapters.mlx_lm.worker import gguf_file, runtime, tokenizing, weights
from parity_adapters.mlx_lm.worker.architectures.gemma3 import period

LONG = {"prompt": "the quick the 123 the " * 8, "raw": True, "max_tokens": 8}
PART = {"phi3.rope.dimension_count": 48}
OWN: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "part of a head": ("phi3", PART, ()),
    "short factors": ("phi3", PART, ("short",)),
    "long factors": ("phi3", {**PART, "phi3.rope.scaling.original_context_length": 16}, ("short", "long")),
    "attention factor": ("phi3", {"phi3.rope.scaling.attn_factor": 1.2}, ()),
    "linear scaling": ("phi3", {"phi3.rope.scaling.factor": 4.0}, ()),
    "linear scaling of factors": ("phi3", {**PART, "phi3.rope.scaling.factor": 4.0}, ("short",)),
    "a smaller window": ("gemma3", {"gemma3.attention.sliding_window": 5}, ()),
    "no window": ("gemma3", {"gemma3.attention.sliding_window": 0}, ()),
    "base of windows": ("gemma3", {"gemma3.rope.freq_base_swa": 100.0}, ()),
    "scaling without windows": ("gemma3", {"gemma3.rope.scaling.factor": 8.0}, ()),
}


def mlx_lm() -> MlxLm:
    return MlxLm(MlxLmSettings(device="cpu"), host_facts())


def llama_cpp() -> LlamaCpp:
    return LlamaCpp(LlamaCppSettings(kv_type="f32", threads=1), host_facts())


def with_factors(model: Path, names: tuple[str, ...]) -> Path:
    """`model` with divisors of the frequencies of a rotation of 48 dimensions."""
    factors = np.linspace(1, 4, 24, dtype=np.float32)
    added = {
        f"rope_factors_{name}.weight": Added(factors * (1 + k), GGMLQuantizationType.F32)
        for k, name in enumerate(names)
    }
    return edited(model, model.with_name("factors.gguf"), added=added)


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "keys", "factors"), OWN.values(), ids=OWN)
def test_what_one_architecture_has_of_its_own_gives_llama_cpps_ids_and_not_those_without_it(
    architecture: str,
    keys: dict[str, Any],
    factors: tuple[str, ...],
    tiny_gguf: Callable[..., Path],
    run_job: Callable[..., Any],
) -> None:
    model = with_factors(tiny_gguf(architecture, keys=keys), factors)
    mine, theirs = run_job(mlx_lm(), model, **LONG), run_job(llama_cpp(), model, **LONG)
    assert mine.ids == theirs.ids
    assert mine.ids != run_job(mlx_lm(), tiny_gguf(architecture), **LONG).ids


@pytest.mark.slow
def test_a_converted_phi3_keeps_its_factors_and_a_converted_gemma3_its_norms(
    tiny_gguf: Callable[..., Path], run_job: Callable[..., Any], tmp_path: Path
) -> None:
    phi = with_factors(tiny_gguf("phi3", keys=PART), ("short", "long"))
    for model in (phi, tiny_gguf("gemma3", sentencepiece=True)):
        q6_k = requantised(model, "Q6_K")
        folder = tmp_path / model.stem
        folder.mkdir()
        command = mlx_lm().conversion(job(path=str(q6_k), quantisation=census(q6_k)).model, str(folder))
        assert command is not None
        done = subprocess.run(command.argv, env={**os.environ, **command.env}, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout
        proof = json.loads((folder / "conversion.json").read_text(encoding="utf-8"))
        assert proof["exact"]
        converted = {"folder": str(folder), "sha256": "cd" * 32, "converted_from": "ab" * 32, "proof": proof}
        mine = run_job(mlx_lm(), q6_k, converted=converted, **LONG)
        assert mine.prompt.ids == run_job(llama_cpp(), q6_k, **LONG).prompt.ids
        assert mine.ids == run_job(mlx_lm(), q6_k, **LONG).ids


@pytest.mark.slow
def test_phi3s_window_is_refused_where_the_job_is_longer(
    tiny_gguf: Callable[..., Path], run_job: Callable[..., Any]
) -> None:
    model = tiny_gguf("phi3", keys={"phi3.attention.sliding_window": 12})
    ran = run_job(mlx_lm(), model, prompt="the the the", raw=True, max_tokens=4)
    assert len(ran.ids) == 4
    refused = run_job(mlx_lm(), model, **LONG)
    assert refused.error.kind == "refused"
    assert "phi3.attention.sliding_window = 12 to so many; the job has" in refused.error.message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "keys", "said"),
    [
        ("phi3", {"phi3.rope.dimension_count": 128}, "phi3.rope.dimension_count = 128 of a head of 64"),
        ("phi3", {"phi3.rope.scaling.attn_factor": -1.0}, "phi3.rope.scaling.attn_factor = -1"),
        ("gemma3", {"gemma3.attention.sliding_window_pattern": 6}, "gemma3.block_count = 2"),
        ("gemma3", {"gemma3.attention.sliding_window_pattern": [True, True]}, "gemma3.block_count = 2"),
        ("gemma3", {"gemma3.attention.key_length_swa": 32}, "gemma3.attention.key_length_swa = 32"),
    ],
)
def test_a_value_that_the_model_cannot_take_is_refused(
    architecture: str, keys: dict[str, Any], said: str, tiny_gguf: Callable[..., Path]
) -> None:
    facts = {"path": str(tiny_gguf(architecture, keys=keys)), "quantisation": {}}
    with pytest.raises(parity_worker.WorkerError) as caught:
        weights.load_gguf(runtime.import_runtime("cpu"), facts, None)
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (6, 6),
        ([True, True, False, True, True, False, True], 3),
        ([1, 1, 1], 4),
        ([False, False], 1),
        ([True, False, False], None),
        ([], None),
        (0, None),
        (2.5, None),
        ("6", None),
    ],
)
def test_a_pattern_of_windows_is_a_number_or_a_regular_list(value: Any, meant: int | None) -> None:
    assert period(value) == meant


@pytest.mark.slow
def test_sentencepieces_tokenizer_gives_llama_cpps_ids(tiny_gguf: Callable[..., Path]) -> None:
    model = tiny_gguf("gemma3", sentencepiece=True)
    metadata = gguf_file.Metadata(gguf_file.read_metadata(str(model)))
    tokenizer = tokenizing.gguf_tokenizer(metadata)
    texts = (*AWKWARD, "the quick  the\n\n   <table>the <end_of_turn>the", "ththeinquickk", "<bos>the")
    assert [tokenizer.encode(text, True) for text in texts] == llama_cpp_ids(model, texts)
    for text in ("the quick  é 漢字\n", " the"):
        assert tokenizer.decode(tokenizer.encode(text, True)) == text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"tokenizer.ggml.add_space_prefix": True}, "tokenizer.ggml.add_space_prefix = True"),
        ({"tokenizer.ggml.add_space_prefix": None}, "tokenizer.ggml.add_space_prefix = True"),
        ({"tokenizer.ggml.scores": None}, "tokenizer.ggml.scores"),
    ],
)
def test_a_sentencepiece_tokenizer_that_merges_cannot_imitate_is_refused(
    keys: dict[str, Any], said: str, tiny_gguf: Callable[..., Path]
) -> None:
    model = tiny_gguf("gemma3", sentencepiece=True, keys=keys)
    metadata = gguf_file.Metadata(gguf_file.read_metadata(str(model)))
    with pytest.raises(parity_worker.WorkerError) as caught:
        tokenizing.gguf_tokenizer(metadata)
    assert caught.value.kind == "refused"
    assert said in caught.value.message
