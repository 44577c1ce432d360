"""The forward pass of a GGUF model in f64, in NumPy: slow, plain, and written apart from every runtime.

The formulas are those of the models' papers: RMSNorm (arXiv:1910.07467), rotary embeddings (arXiv:2104.09864), grouped
queries (arXiv:2305.13245), SwiGLU (arXiv:2002.05202), Qwen3's norms of each query and key head (arXiv:2505.09388), and
linear scaling of positions (arXiv:2306.15595), LongRoPE (arXiv:2402.13753), and Gemma 3 with its norms after each part,
windows in five of six layers and GELU (arXiv:2503.19786, arXiv:1606.08415). Tensors are dequantised exactly as their
type says. llama.cpp stores llama's query and key rows so that the pairs of a rotation are neighbours; the others rotate
the first half of what is turned with its second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader, quants


@dataclass(frozen=True)
class CacheFault:
    """What happens to the cache after the first `after` ids, and so to what later ones see of these. `shifted`: all
    positions but the first are one higher from then on; `lost`: from which to which they are gone."""

    after: int
    shifted: bool = False
    lost: tuple[int, int] = (0, 0)


class Model:
    """The numbers of the header, and weights in f64, which are made as they are needed: a weight takes eight bytes."""

    def __init__(self, path: Path, fault: CacheFault | None = None) -> None:
        self._reader = GGUFReader(path)
        self.fault = fault
        self.architecture: str = self._reader.fields["general.architecture"].contents()
        self._tensors = {tensor.name: tensor for tensor in self._reader.tensors}

    def number(self, key: str, otherwise: float | None = None) -> Any:
        field = self._reader.fields.get(f"{self.architecture}.{key}")
        if field is None and otherwise is None:
            raise KeyError(f"{self.architecture}.{key}")
        return field.contents() if field is not None else otherwise

    def tensor(self, name: str, kind: str = "weight") -> Any:
        held = self._tensors[f"{name}.{kind}"]
        return quants.dequantize(held.data, held.tensor_type).astype(np.float64)

    def has(self, name: str, kind: str = "weight") -> bool:
        return f"{name}.{kind}" in self._tensors

    def projected(self, name: str, rows: Any) -> Any:
        found = rows @ self.tensor(name).T
        return found + self.tensor(name, "bias") if self.has(name, "bias") else found

    def window(self, block: str) -> int | None:
        """How many positions a layer sees, where it has a window."""
        size = int(self.number("attention.sliding_window", 0)) if self.architecture == "gemma3" else 0
        every = int(self.number("attention.sliding_window_pattern", 6))
        return size if size and (int(block.removeprefix("blk.")) + 1) % every else None

    @property
    def stretch(self) -> float:
        """By how much positions are divided."""
        kind = self._reader.fields.get(f"{self.architecture}.rope.scaling.type")
        if kind is None or kind.contents() == "none":
            return 1.0
        assert kind.contents() == "linear", "this forward knows linear scaling alone"
        return float(self.number("rope.scaling.factor"))


def logprobs(path: Path, ids: Sequence[int], fault: CacheFault | None = None) -> Any:
    """Natural log-probabilities of every token after each of the ids: an array of shape (len(ids), vocabulary)."""
    return normalised(logits(path, ids, fault))


def normalised(rows: Any) -> Any:
    return rows - _log_sum_exp(rows)


def logits(path: Path, ids: Sequence[int], fault: CacheFault | None = None) -> Any:
    """Of every token after each of the ids: an array of shape (len(ids), vocabulary)."""
    model = Model(path, fault)
    hidden = model.tensor("token_embd")[list(ids)]
    if model.architecture == "gemma3":
        hidden = hidden * np.sqrt(hidden.shape[-1])
    for layer in range(int(model.number("block_count"))):
        block = f"blk.{layer}"
        hidden = hidden + _normed_after(model, f"{block}.post_attention_norm", _attention(model, block, hidden))
        hidden = hidden + _normed_after(model, f"{block}.post_ffw_norm", _feed_forward(model, block, hidden))
    head = model.tensor("output" if model.has("output") else "token_embd")
    return _norm(model, model.tensor("output_norm"), hidden) @ head.T


def _log_sum_exp(rows: Any) -> Any:
    top = rows.max(axis=-1, keepdims=True)
    return top + np.log(np.exp(rows - top).sum(axis=-1, keepdims=True))


def _norm(model: Model, weight: Any, rows: Any) -> Any:
    eps = model.number("attention.layer_norm_rms_epsilon")
    return rows / np.sqrt((rows**2).mean(axis=-1, keepdims=True) + eps) * weight


def _normed_after(model: Model, name: str, rows: Any) -> Any:
    return _norm(model, model.tensor(name), rows) if model.has(name) else rows


def _attention(model: Model, block: str, hidden: Any) -> Any:
    """Of all positions, each over itself and those before it."""
    heads = int(model.number("attention.head_count"))
    kv_heads = int(model.number("attention.head_count_kv", heads))
    size = int(model.number("attention.key_length", model.number("embedding_length") / heads))
    rows = _norm(model, model.tensor(f"{block}.attn_norm"), hidden)
    if model.has(f"{block}.attn_qkv"):
        fused = rows @ model.tensor(f"{block}.attn_qkv").T
        queries, keys, values = np.split(fused, [heads * size, (heads + kv_heads) * size], axis=-1)
    else:
        queries, keys, values = (model.projected(f"{block}.attn_{name}", rows) for name in "qkv")
    queries, keys, values = (part.reshape(len(hidden), -1, size) for part in (queries, keys, values))
    if model.has(f"{block}.attn_q_norm"):
        queries = _norm(model, model.tensor(f"{block}.attn_q_norm"), queries)
        keys = _norm(model, model.tensor(f"{block}.attn_k_norm"), keys)
    keys, values = (np.repeat(part, heads // kv_heads, axis=1) for part in (keys, values))
    scores = _scores(model, block, queries, keys) / np.sqrt(size)
    mixed = np.einsum("hqk,khd->qhd", np.exp(scores - _log_sum_exp(scores)), values)
    return mixed.reshape(len(hidden), -1) @ model.tensor(f"{block}.attn_output").T


def _scores(model: Model, block: str, queries: Any, keys: Any) -> Any:
    """Of each query head and position with each position that it may see: shape (heads, positions, positions)."""
    places = np.arange(len(queries))
    window = model.window(block)
    found = _products(model, block, queries, keys, places)
    fault = model.fault
    if fault is not None and fault.shifted:
        found[:, fault.after :] = _products(model, block, queries, keys, places + (places > 0))[:, fault.after :]
    if fault is not None:
        found[:, fault.after :, slice(*fault.lost)] = -np.inf
    found[:, np.triu(np.ones(found.shape[1:], dtype=bool), 1)] = -np.inf
    if window is not None:
        found[:, np.tril(np.ones(found.shape[1:], dtype=bool), -window)] = -np.inf
    return found


def _products(model: Model, block: str, queries: Any, keys: Any, places: Any) -> Any:
    if model.window(block) is None:
        base, places = model.number("rope.freq_base", 10000.0), places / model.stretch
    else:
        base = model.number("rope.freq_base_swa", 10000.0)
    turned = (_rotated(model, part, places, base) for part in (queries, keys))
    return np.einsum("qhd,khd->hqk", *turned)


def _rotated(model: Model, heads: Any, places: Any, base: float) -> Any:
    """Rotary embedding of an array of shape (positions, heads, head size), by each row's position."""
    size = int(model.number("rope.dimension_count", heads.shape[-1]))
    turns = base ** (-np.arange(0, size, 2) / size) / _long_rope(model, len(places))
    angles = places[:, None, None] * turns
    factor = model.number("rope.scaling.attn_factor", 1.0)
    cos, sin = factor * np.cos(angles), factor * np.sin(angles)
    turned = heads.copy()
    neighbours = model.architecture == "llama"
    first, second = (
        (np.s_[..., 0::2], np.s_[..., 1::2]) if neighbours else (np.s_[..., : size // 2], np.s_[..., size // 2 : size])
    )
    turned[first] = heads[first] * cos - heads[second] * sin
    turned[second] = heads[first] * sin + heads[second] * cos
    return turned


def _long_rope(model: Model, positions: int) -> Any:
    """Divisors of the frequencies: other ones for sequences that are longer than the original context."""
    original = model.number("rope.scaling.original_context_length", model.number("context_length"))
    name = "rope_factors_long" if positions > original else "rope_factors_short"
    return model.tensor(name) if model.has(name) else 1.0


def _feed_forward(model: Model, block: str, hidden: Any) -> Any:
    rows = _norm(model, model.tensor(f"{block}.ffn_norm"), hidden)
    up = rows @ model.tensor(f"{block}.ffn_up").T
    if model.has(f"{block}.ffn_gate"):
        gate = rows @ model.tensor(f"{block}.ffn_gate").T
    else:
        gate, up = np.split(up, 2, axis=-1)
    if model.architecture == "gemma3":
        opened = gate * (1 + np.tanh(np.sqrt(2 / np.pi) * (gate + 0.044715 * gate**3))) / 2
    else:
        opened = gate / (1 + np.exp(-gate))
    return (opened * up) @ model.tensor(f"{block}.ffn_down").T
