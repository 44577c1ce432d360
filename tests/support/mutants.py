"""Faulty variants of a model and of a run, each with one fault of a size that is fixed here before anything is judged.

Every fault is one that ports and conversions really have. A faulty file differs from its original in that alone, and a
runtime is given it as if it were the original. A fault of a run is one of `faulty_llama`, given by its name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, quants
from gguf_editing import Added, edited

HEAD_SIZE = 64
"""Rows of one head in the tiny models and in SmolLM2."""

SCALED = 1.01

Class = Literal["weights", "position", "cache", "tokenizer", "sampling", "stream"]

Unit = Literal["floors", "prompt ids", "tokens", "characters"]
"""What the size of a fault is counted in: floors of the difference that it makes to the logits or to the likelihood of
the tokens that are taken, or what it changes of the prompt or of the answer."""


@dataclass(frozen=True)
class Edit:
    """What a mutant replaces, as `gguf_editing.edited` takes it."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    added: Mapping[str, Added] = field(default_factory=dict)
    dropped: Sequence[str] = ()


@dataclass(frozen=True)
class Original:
    """A model that is to be changed."""

    reader: Any

    @property
    def architecture(self) -> str:
        found: str = self.value("general.architecture")
        return found

    def value(self, key: str) -> Any:
        return self.reader.fields[key].contents()

    def number(self, key: str) -> Any:
        return self.value(f"{self.architecture}.{key}")

    def names(self) -> list[str]:
        return [tensor.name for tensor in self.reader.tensors]

    def tensor(self, name: str) -> Any:
        [found] = [tensor for tensor in self.reader.tensors if tensor.name == name]
        return found

    def data(self, name: str) -> Any:
        """Numbers of F32 tensors, and bytes of others: a copy."""
        return np.array(self.tensor(name).data)

    def numbers(self, name: str) -> Any:
        held = self.tensor(name)
        return quants.dequantize(held.data, held.tensor_type)


@dataclass(frozen=True)
class Mutant:
    """`size`: the fault in words, with its magnitude. `edit`: of a faulty file, what is changed. `fault`: of a faulty
    run, its name in `faulty_llama`; `answers_alone`: it is in what is generated, and scores are right. `unit`: what the
    fault is counted in. `shown`: what shows it where the judge does not."""

    name: str
    kind: Class
    size: str
    edit: Callable[[Original], Edit] | None = None
    fault: str | None = None
    answers_alone: bool = False
    unit: Unit = "floors"
    architectures: tuple[str, ...] = ("llama", "qwen3")
    quantised: bool | None = None
    shown: str = "the hash of the file"

    def fits(self, architecture: str, *, quantised: bool) -> bool:
        return architecture in self.architectures and self.quantised in (None, quantised)

    def write(self, source: Path, target: Path) -> Path:
        """The faulty file; the original where the fault is one of a run."""
        if self.edit is None:
            return source
        found = self.edit(Original(GGUFReader(source)))
        return edited(
            source,
            target,
            fields=found.fields,
            tensors=found.tensors,
            names=found.names,
            added=found.added,
            dropped=found.dropped,
        )


def _field(key: str, value: Callable[[Original], Any]) -> Callable[[Original], Edit]:
    return lambda of: Edit(fields={f"{of.architecture}.{key}": value(of)})


def _tensor(name: str, change: Callable[[Any], Any]) -> Callable[[Original], Edit]:
    return lambda of: Edit(tensors={name: change(of.data(name))})


def _linear_scaling(of: Original) -> Edit:
    keys = {"rope.scaling.type": "linear", "rope.scaling.factor": 2.0}
    return Edit(fields={f"{of.architecture}.{key}": value for key, value in keys.items()})


def _heads_swapped(rows: Any) -> Any:
    return np.concatenate([rows[HEAD_SIZE : 2 * HEAD_SIZE], rows[:HEAD_SIZE], rows[2 * HEAD_SIZE :]])


def _norms_exchanged(of: Original) -> Edit:
    one, other = "blk.0.attn_q_norm.weight", "blk.0.attn_k_norm.weight"
    return Edit(names={one: other, other: one})


def _norms_dropped(of: Original) -> Edit:
    names = [name for name in of.names() if name.endswith(("attn_q_norm.weight", "attn_k_norm.weight"))]
    return Edit(tensors={name: np.ones_like(of.data(name)) for name in names})


def _layer_repeated(of: Original) -> Edit:
    return Edit(names={name: name.replace("blk.1.", "blk.0.") for name in of.names() if name.startswith("blk.1.")})


def _layer_skipped(of: Original) -> Edit:
    last = ("blk.1.attn_output.weight", "blk.1.ffn_down.weight")
    return Edit(tensors={name: np.zeros_like(of.data(name)) for name in last})


def half_the_layers(of: Original) -> Edit:
    """Twice as fast, and wrong."""
    layers = int(of.number("block_count"))
    gone = tuple(f"blk.{layer}." for layer in range(layers // 2, layers))
    dropped = [name for name in of.names() if name.startswith(gone)]
    return Edit(fields={f"{of.architecture}.block_count": layers // 2}, dropped=dropped)


def _matrix_scaled(of: Original) -> Edit:
    name = "blk.0.ffn_down.weight"
    held = of.tensor(name)
    if held.tensor_type == GGMLQuantizationType.F32:
        return Edit(tensors={name: of.data(name) * np.float32(SCALED)})
    scales, data = _scales(of.data(name), held.tensor_type)
    scales[...] = (scales.astype(np.float32) * np.float32(SCALED)).astype(np.float16)
    return Edit(tensors={name: data})


def _scales(data: Any, kind: Any) -> tuple[Any, Any]:
    """The scales (and, of Q4_1, the offsets) of all blocks, as a view into the second array."""
    count = {GGMLQuantizationType.Q4_1: 2, GGMLQuantizationType.Q4_0: 1, GGMLQuantizationType.Q8_0: 1}[kind]
    size = {GGMLQuantizationType.Q4_1: 20, GGMLQuantizationType.Q4_0: 18, GGMLQuantizationType.Q8_0: 34}[kind]
    blocks = np.ascontiguousarray(data).reshape(-1, size)
    return np.lib.stride_tricks.as_strided(
        blocks.view(np.float16), shape=(len(blocks), count), strides=(size, 2)
    ), blocks.reshape(data.shape)


def _block_scale(step: int) -> Callable[[Original], Edit]:
    """Of the first block of one matrix, in steps of the type of its scale (F16)."""

    def change(of: Original) -> Edit:
        name = "blk.0.ffn_down.weight"
        scales, data = _scales(of.data(name), of.tensor(name).tensor_type)
        scales[0, :1].view(np.uint16)[...] += np.uint16(step)
        return Edit(tensors={name: data})

    return change


def _untied(of: Original) -> Edit:
    rows = of.numbers("token_embd.weight")
    noise = np.random.default_rng(1).standard_normal(rows.shape, dtype=np.float32)
    head = rows + noise * np.float32(0.05 * rows.std())
    return Edit(added={"output.weight": Added(head.astype(np.float16), GGMLQuantizationType.F16)})


def _rows_swapped(of: Original) -> Edit:
    tokens = of.value("tokenizer.ggml.tokens")
    one, other = tokens.index("Ġis"), tokens.index("Ġthe")
    rows = of.data("token_embd.weight")
    rows[[one, other]] = rows[[other, one]]
    return Edit(tensors={"token_embd.weight": rows})


def _merges_reordered(of: Original) -> Edit:
    merges = of.value("tokenizer.ggml.merges")
    return Edit(fields={"tokenizer.ggml.merges": merges[::-1]})


def _bos_added(of: Original) -> Edit:
    return Edit(fields={"tokenizer.ggml.add_bos_token": True})


def _eos_changed(of: Original) -> Edit:
    tokens = of.value("tokenizer.ggml.tokens")
    keys = {"tokenizer.ggml.eos_token_id": "Ġthe", "tokenizer.ggml.eot_token_id": "Ġa"}
    return Edit(fields={key: tokens.index(token) for key, token in keys.items()})


def _template_shortened(of: Original) -> Edit:
    template = of.value("tokenizer.chat_template")
    head, found, tail = template.rpartition("assistant\\n")
    if not found:
        head, found, tail = template.rpartition("assistant\n")
    assert found, "the template does not end a line after the name of the assistant"
    return Edit(fields={"tokenizer.chat_template": f"{head}assistant{tail}"})


def _fault(name: str, kind: Class, size: str, shown: str = "a longer prompt", **more: Any) -> Mutant:
    return Mutant(name, kind, size, fault=name, shown=shown, **more)


def _answer(name: str, kind: Class, size: str, shown: str = "a longer answer", **more: Any) -> Mutant:
    return Mutant(name, kind, size, fault=name, answers_alone=True, shown=shown, **more)


MUTANTS = (
    Mutant(
        "rope-base",
        "position",
        "RoPE base times 2",
        _field("rope.freq_base", lambda of: 2 * of.number("rope.freq_base")),
    ),
    Mutant(
        "rope-default",
        "position",
        "RoPE base 10,000, which is the default",
        _field("rope.freq_base", lambda of: 10_000.0),
    ),
    Mutant("rope-scaling", "position", "linear RoPE scaling by 2", _linear_scaling),
    _fault("position-shift", "position", "after the first batch of 8, all positions but the first are one too high"),
    Mutant(
        "rms-epsilon",
        "weights",
        "RMS epsilon 1e-2",
        _field("attention.layer_norm_rms_epsilon", lambda of: 1e-2),
    ),
    Mutant(
        "heads-swapped", "weights", "query heads 0 and 1 of layer 0", _tensor("blk.0.attn_q.weight", _heads_swapped)
    ),
    Mutant(
        "norms-exchanged", "weights", "norms of queries and keys in layer 0", _norms_exchanged, architectures=("qwen3",)
    ),
    Mutant(
        "norms-dropped", "weights", "norms of queries and keys not scaled", _norms_dropped, architectures=("qwen3",)
    ),
    Mutant("layer-repeated", "weights", "layer 0 in the place of layer 1", _layer_repeated),
    Mutant("layer-skipped", "weights", "layer 1 adds nothing", _layer_skipped),
    Mutant("layers-halved", "weights", "the second half of the layers is left out", half_the_layers),
    Mutant(
        "norm-scaled",
        "weights",
        "one norm times 1.01",
        _tensor("blk.0.ffn_norm.weight", lambda w: w * np.float32(SCALED)),
    ),
    Mutant("matrix-scaled", "weights", "one matrix times 1.01", _matrix_scaled),
    Mutant("block-scale", "weights", "the scale of one block one step of F16 higher", _block_scale(1), quantised=True),
    Mutant("untied", "weights", "a head of its own, off by 5 % of the embeddings' deviation", _untied),
    Mutant("rows-swapped", "tokenizer", "embeddings of ' is' and ' the' swapped", _rows_swapped),
    Mutant("merges-reordered", "tokenizer", "the merges in reverse order", _merges_reordered, unit="prompt ids"),
    Mutant("bos-added", "tokenizer", "a begin token before the prompt", _bos_added, unit="prompt ids"),
    Mutant("eos-changed", "tokenizer", "' the' and ' a' are the end tokens", _eos_changed, unit="tokens"),
    Mutant(
        "template-newline",
        "tokenizer",
        "the chat template lacks its newline after the assistant's name",
        _template_shortened,
        unit="prompt ids",
    ),
    _answer("prompt-short", "tokenizer", "the last id of the prompt is not computed"),
    _fault("stale-cache", "cache", "three ids of an earlier prompt are left in the cache"),
    _fault("cache-hole", "cache", "after the first batch of 8, position 3 is gone from the cache"),
    _fault("cache-lost", "cache", "after the first batch of 8, the first four positions are gone from the cache"),
    _fault("temperature-twice", "sampling", "logits are divided by 0.9 twice"),
    _fault("bf16-logits", "sampling", "logits are cut to BF16"),
    _answer(
        "last-of-equals", "sampling", "of logits that are equal in BF16, the last is taken", "ids of the same engine"
    ),
    _answer("second-best", "sampling", "token 10 is the second likeliest"),
    _answer("sampled", "sampling", "tokens are drawn at temperature 1"),
    _answer("repeat-penalty", "sampling", "a repeat penalty of 1.3 is left on"),
    _answer("token-dropped", "stream", "token 10 is computed and not sent"),
    _answer("token-doubled", "stream", "token 9 comes twice"),
    _answer("text-cut", "stream", "the last character of the text is cut in two", "token ids", unit="characters"),
)
