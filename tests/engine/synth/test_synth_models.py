"""Synthetic models have the true shapes of their presets."""

import subprocess
import sys
from pathlib import Path

import pytest
from synthetic import synthesise

from parity.errors import ModelError
from parity.models import Step, model_facts, parse_source
from parity_synth import PRESETS, Synthetic, tiny_source
from parity_synth.making import silent_ids
from parity_synth.tensors import Weights
from parity_synth.tokenizer import build_tokenizer

SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("preset", "published"),
    [
        ("qwen3-0.6b", 596_049_920),
        ("qwen3-1.7b", 1_720_574_976),
        ("qwen2.5-0.5b", 494_032_768),
        ("phi-4", 14_659_507_200),
        ("phi-4-mini", 3_836_021_760),
        ("gemma3-270m", 268_098_176),
        ("llama-135m", 134_515_008),
    ],
)
def test_preset_has_as_many_parameters_as_the_published_model(preset: str, published: int) -> None:
    weights = Weights(PRESETS[preset], 1, words=[300, 301], silent=[])
    assert sum(_elements(tensor.shape) for tensor in weights.tensors()) == published


def _elements(shape: tuple[int, ...]) -> int:
    count = 1
    for extent in shape:
        count *= extent
    return count


@pytest.mark.parametrize("preset", [name for name in PRESETS if name.startswith("tiny")])
@pytest.mark.parametrize(
    "quant", ["Q8_0", "Q4_0", *(pytest.param(q, marks=SLOW) for q in ("F32", "F16", "Q4_1", "Q5_0", "Q5_1"))]
)
def test_synthetic_model_is_a_model_of_its_preset(preset: str, quant: str) -> None:
    facts = model_facts("m", "M", f"synth://{preset}/{quant}@7", base=Path())
    shape = PRESETS[preset]
    assert (facts.architecture, facts.context_length, facts.vocab_size) == (
        shape.architecture,
        shape.context,
        shape.vocab,
    )
    assert facts.tokenizer == "gpt2/qwen2"
    assert quant in facts.quantisation
    assert facts.synthetic
    assert (Path(facts.path).parent / "tokenizer.json").is_file()


def test_seed_decides_every_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = []
    for cache, seed in (("one", 3), ("two", 3), ("three", 4)):
        monkeypatch.setenv("PARITY_CACHE", str(tmp_path / cache))
        contents.append(synthesise("tiny-llama", "Q4_0", seed).read_bytes())
    assert contents[0] == contents[1]
    assert contents[0] != contents[2]
    assert len(contents[0]) > 1_000_000


def test_tensor_written_in_chunks_is_whole(tmp_path: Path) -> None:
    from gguf import GGUFReader
    from gguf.quants import dequantize

    path = synthesise("tiny-qwen3", "Q8_0", 1)
    rows = {tensor.name: tensor for tensor in GGUFReader(path).tensors}
    tokenizer = build_tokenizer(4090)
    weights = Weights(PRESETS["tiny-qwen3"], 1, tokenizer.words(), silent_ids(tokenizer, PRESETS["tiny-qwen3"]))
    for tensor in weights.tensors():
        wanted = list(tensor.chunks())
        stored = dequantize(rows[tensor.name].data, rows[tensor.name].tensor_type)
        assert stored.shape == tensor.shape
        begin = 0
        for chunk in wanted:
            piece = stored[begin : begin + len(chunk)]
            assert float(abs(piece - chunk).max()) <= float(abs(chunk).max()) / 127
            begin += len(chunk)
        assert begin == tensor.shape[0]


def test_model_is_made_once() -> None:
    source = parse_source("synth://tiny-qwen3/F16@5", Path())
    assert source.locate() is None
    steps: list[Step] = []
    made = source.fetch(steps.append)
    assert (steps[-1].what, steps[-1].unit) == (f"writing {made.name}", "bytes")
    assert steps[-1].done == steps[-1].total
    assert source.locate() == made
    steps.clear()
    assert source.fetch(steps.append) == made
    assert steps == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("synth://", "form"),
        ("synth://tiny-qwen3", "form"),
        ("synth://tiny-qwen3/Q4_0@", "form"),
        ("synth://tiny-qwen3/Q4_0@-1", "form"),
        ("synth://tiny-qwen3/Q4_0@٣", "form"),
        ("synth://tiny-qwen3/Q4_0@9999999999", "seed"),
        ("synth://qwen3-1.7/Q4_0@1", "did you mean qwen3-1.7b"),
        ("synth://tiny-qwen3/Q3_K_M@1", "Q4_K_M"),
    ],
)
def test_malformed_synthetic_source_is_refused(text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        parse_source(text, Path())


@pytest.mark.parametrize("quant", ["Q4_0", *(pytest.param(q, marks=SLOW) for q in ("Q4_1", "Q5_0", "Q5_1"))])
def test_embedding_and_output_weights_have_more_bits_than_the_rest(quant: str) -> None:
    facts = model_facts("m", "M", f"synth://tiny-qwen3/{quant}@7", base=Path())
    matrices = {kind: count for kind, count in facts.quantisation.items() if kind != "F32"}
    assert matrices == {quant: 28, "Q8_0": 1}


@pytest.mark.parametrize(
    ("architecture", "quantisation", "source"),
    [
        ("qwen3", {"F32": 113, "Q4_K": 168, "Q6_K": 29}, "synth://tiny-qwen3/Q4_K_M@0"),
        ("qwen3", {"F32": 9, "Q5_K": 20, "Q6_K": 9}, "synth://tiny-qwen3/Q5_K_M@0"),
        ("phi3", {"F32": 65, "Q6_K": 130}, "synth://tiny-phi3/Q6_K@0"),
        ("llama", {"F32": 61, "Q4_1": 210, "Q8_0": 1}, "synth://tiny-llama/Q4_1@0"),
        ("llama", {"F32": 272}, "synth://tiny-llama/F32@0"),
        ("llama", {"F32": 200, "F16": 72}, "synth://tiny-llama/F16@0"),
        ("llama", {"F32": 61, "IQ2_XS": 210, "Q4_K": 1}, None),
        ("llama", {}, None),
        ("phi2", {"F32": 61, "Q4_0": 210}, None),
        (None, {"Q4_0": 210}, None),
    ],
)
def test_tiny_model_has_the_tensor_type_that_most_weights_have(
    architecture: str | None, quantisation: dict[str, int], source: str | None
) -> None:
    assert tiny_source(architecture, quantisation) == source
    if source is not None:
        parse_source(source, Path())


@pytest.mark.slow
def test_importing_the_models_imports_no_heavy_library() -> None:
    script = "import sys, parity.models; print({'gguf', 'numpy', 'huggingface_hub'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "set()\n"
    )
    assert Synthetic("tiny-qwen3", "F16").seed == 0
