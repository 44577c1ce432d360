"""Faulty variants of a model, each with one fault of a size that is fixed here.

Every fault is one that ports and conversions really have. A mutant is a GGUF file that differs from its original in
that alone, and that a runtime is given as if it were the original.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from gguf import GGUFReader
from gguf_editing import edited

HEAD_SIZE = 64
"""Rows of one head in the tiny models and in SmolLM2."""

Class = Literal["weights", "position", "tokenizer"]


@dataclass(frozen=True)
class Edit:
    """Fields and tensors that a mutant replaces, as `gguf_editing.edited` takes them."""

    fields: Mapping[str, Any] | None = None
    tensors: Mapping[str, Any] | None = None
    names: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Mutant:
    """`size`: the fault in words, with its magnitude. `edit`: what it makes of a model of an architecture."""

    name: str
    kind: Class
    size: str
    edit: Callable[[Mapping[str, Any], str], Edit]
    architectures: tuple[str, ...] = ("llama", "qwen3")

    def write(self, source: Path, target: Path) -> Path:
        reader = GGUFReader(source)
        tensors = {tensor.name: np.array(tensor.data) for tensor in reader.tensors}
        found = self.edit(tensors, reader.fields["general.architecture"].contents())
        return edited(source, target, fields=found.fields, tensors=found.tensors, names=found.names)


def _field(key: str, value: Any) -> Callable[[Mapping[str, Any], str], Edit]:
    return lambda tensors, architecture: Edit(fields={f"{architecture}.{key}": value})


def _linear_scaling(tensors: Mapping[str, Any], architecture: str) -> Edit:
    return Edit(fields={f"{architecture}.rope.scaling.type": "linear", f"{architecture}.rope.scaling.factor": 2.0})


def _tensor(name: str, change: Callable[[Any], Any]) -> Callable[[Mapping[str, Any], str], Edit]:
    return lambda tensors, architecture: Edit(tensors={name: change(tensors[name])})


def _heads_swapped(rows: Any) -> Any:
    return np.concatenate([rows[HEAD_SIZE : 2 * HEAD_SIZE], rows[:HEAD_SIZE], rows[2 * HEAD_SIZE :]])


def _rows_swapped(one: int, other: int) -> Callable[[Any], Any]:
    def swap(rows: Any) -> Any:
        changed = rows.copy()
        changed[[one, other]] = rows[[other, one]]
        return changed

    return swap


def _norms_exchanged(tensors: Mapping[str, Any], architecture: str) -> Edit:
    one, other = "blk.0.attn_q_norm.weight", "blk.0.attn_k_norm.weight"
    return Edit(names={one: other, other: one})


def _layer_repeated(tensors: Mapping[str, Any], architecture: str) -> Edit:
    return Edit(names={name: name.replace("blk.1.", "blk.0.") for name in tensors if name.startswith("blk.1.")})


def _layer_skipped(tensors: Mapping[str, Any], architecture: str) -> Edit:
    last = ("blk.1.attn_output.weight", "blk.1.ffn_down.weight")
    return Edit(tensors={name: np.zeros_like(tensors[name]) for name in last})


MUTANTS = (
    Mutant("rope-base", "position", "RoPE base times 2", _field("rope.freq_base", 20_000.0)),
    Mutant("rope-scaling", "position", "linear RoPE scaling by 2", _linear_scaling),
    Mutant("rms-epsilon", "weights", "RMS epsilon 1e-2", _field("attention.layer_norm_rms_epsilon", 1e-2)),
    Mutant(
        "heads-swapped", "weights", "query heads 0 and 1 of layer 0", _tensor("blk.0.attn_q.weight", _heads_swapped)
    ),
    Mutant("norms-exchanged", "weights", "norms of queries and keys in layer 0", _norms_exchanged, ("qwen3",)),
    Mutant("layer-repeated", "weights", "layer 0 in the place of layer 1", _layer_repeated),
    Mutant("layer-skipped", "weights", "layer 1 adds nothing", _layer_skipped),
    Mutant(
        "norm-scaled",
        "weights",
        "one norm times 1.01",
        _tensor("blk.0.ffn_norm.weight", lambda w: w * np.float32(1.01)),
    ),
    Mutant(
        "matrix-scaled",
        "weights",
        "one matrix times 1.01",
        _tensor("blk.0.ffn_down.weight", lambda w: w * np.float32(1.01)),
    ),
    Mutant(
        "rows-swapped",
        "tokenizer",
        "embeddings of tokens 110 and 111",
        _tensor("token_embd.weight", _rows_swapped(110, 111)),
    ),
)
"""Of models with F32 weights."""

RUN_FAULTS = {
    "second-best": "token 10 is the second likeliest",
    "sampled": "tokens are drawn at temperature 1",
    "repeat-penalty": "a repeat penalty of 1.3 is left on",
    "token-dropped": "token 10 is computed and not sent",
    "token-doubled": "token 9 comes twice",
    "stale-cache": "three ids of an earlier prompt are left in the cache",
}
"""Faults of a run rather than of a file: the value of LLAMA_FAULT for `faulty_llama` → the fault in words."""
