"""Synthetic weights: random, with a plan in them, so that greedy decoding has clear margins and never ends.

The hidden dimensions are three parts. An embedding holds in `here` the code of the token that should come next, in
`out` its own code, in `level` a constant. Output weighs `out` alone. Each feed-forward block carries a little of
`here` over to `out`; the constant holds its gates open. One attention block carries over the `here` of the tokens it
looks at. So an ordinary token is followed by the next word of one long cycle of all words, and a token of the chat
template, whose `here` is empty, by a word that the prompt suggests. All other weights are random and small enough
never to decide, but every one of them shows in the logits.

Random numbers are raw bits of PCG64, which are the same in every version of NumPy and on every machine.
"""

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from parity_synth.presets import Preset

FOLLOW: Final = 4.0
"""How strongly the successor's code stands in `out` after the last layer; a token's own code stands there with 1."""
LOOK: Final = 1.5
"""How strongly the attention block adds what it looks at; with a token's own code less than `FOLLOW`."""
SHARPNESS: Final = 5.0
"""Standard deviation of that block's attention scores."""
SHYNESS: Final = 3.0
"""How strongly that block looks away from silent tokens."""
GATE: Final = 3.0
"""Input of an open gate in the first layer."""
NOISE: Final = 0.04
"""Root mean square of what the random part of a block adds, the stream's being 1 at the start."""
SILENT: Final = 0.1
"""How strongly a silent token's own code stands in `out`: too weak for it to be chosen."""
TOP_LOGIT: Final = 16.0
BIAS: Final = 0.1
"""Root mean square of biases of queries, keys and values."""
CHUNK_ROWS: Final = 4096


@dataclass(frozen=True)
class Tensor:
    """A tensor to be written: rows of float32, in order, some at a time. `shape` is (out, in) or (n,)."""

    name: str
    shape: tuple[int, ...]
    chunks: Callable[[], Iterator[Any]]


class Weights:
    """All tensors of a model. `words` are the ids that text is made of, `silent` those that are never generated."""

    def __init__(self, preset: Preset, seed: int, words: Sequence[int], silent: Sequence[int]) -> None:
        self.preset = preset
        self.seed = seed
        code_width = preset.hidden * 7 // 16
        self.here = slice(0, code_width)
        self.out = slice(code_width, 2 * code_width)
        self.level = slice(2 * code_width, preset.hidden)
        self.code_width = code_width
        self.level_width = preset.hidden - 2 * code_width
        self.silent = np.asarray(sorted(silent))
        self.successor = self._successors(np.asarray(words))

    def tensors(self) -> Iterator[Tensor]:
        """In the order in which they are written."""
        preset = self.preset
        embedding = (preset.vocab, preset.hidden)
        yield Tensor("token_embd.weight", embedding, self._embedding)
        for layer in range(preset.layers):
            yield from self._layer(layer)
        yield self._vector("output_norm.weight", self._output_norm())
        if not preset.tied:
            yield Tensor("output.weight", embedding, self._embedding)

    def _layer(self, layer: int) -> Iterator[Tensor]:
        preset, name = self.preset, f"blk.{layer}"
        ones: Any = np.ones(preset.hidden, np.float32)
        yield self._vector(f"{name}.attn_norm.weight", ones)
        query, key, value = (self._query_of, self._key_of, self._value_of)
        if preset.architecture == "phi3":
            fused_rows = preset.q_dim + 2 * preset.kv_dim
            yield self._matrix(
                f"{name}.attn_qkv.weight",
                (fused_rows, preset.hidden),
                lambda: np.concatenate([query(layer), key(layer), value(layer)]),
            )
        else:
            yield self._matrix(f"{name}.attn_q.weight", (preset.q_dim, preset.hidden), lambda: query(layer))
            yield self._matrix(f"{name}.attn_k.weight", (preset.kv_dim, preset.hidden), lambda: key(layer))
            yield self._matrix(f"{name}.attn_v.weight", (preset.kv_dim, preset.hidden), lambda: value(layer))
        if preset.architecture == "qwen2":
            for part, rows in (("attn_q", preset.q_dim), ("attn_k", preset.kv_dim), ("attn_v", preset.kv_dim)):
                yield self._vector(f"{name}.{part}.bias", self._noise(f"{name}.{part}.bias", (rows,), BIAS))
        if self._norms_heads:
            sharpness = SHARPNESS if self._looks(layer) else 1.0
            head: Any = np.ones(preset.head_dim, np.float32)
            yield self._vector(f"{name}.attn_q_norm.weight", head * np.float32(sharpness))
            yield self._vector(f"{name}.attn_k_norm.weight", head)
        yield self._matrix(
            f"{name}.attn_output.weight", (preset.hidden, preset.q_dim), lambda: self._attention_output_of(layer)
        )
        if preset.architecture == "gemma3":
            yield self._vector(f"{name}.post_attention_norm.weight", ones * np.float32(self._rms_of_attention(layer)))
        yield self._vector(f"{name}.ffn_norm.weight", ones)
        if preset.architecture == "phi3":
            yield self._matrix(
                f"{name}.ffn_up.weight",
                (2 * preset.ffn, preset.hidden),
                lambda: np.concatenate([self._gate_of(layer), self._up_of(layer)]),
            )
        else:
            yield self._matrix(f"{name}.ffn_gate.weight", (preset.ffn, preset.hidden), lambda: self._gate_of(layer))
            yield self._matrix(f"{name}.ffn_up.weight", (preset.ffn, preset.hidden), lambda: self._up_of(layer))
        yield self._matrix(f"{name}.ffn_down.weight", (preset.hidden, preset.ffn), lambda: self._down_of(layer))
        if preset.architecture == "gemma3":
            yield self._vector(f"{name}.post_ffw_norm.weight", ones * np.float32(self._rms_of_feed_forward()))

    @staticmethod
    def _vector(name: str, values: Any) -> Tensor:
        return Tensor(name, values.shape, lambda: iter([values]))

    @staticmethod
    def _matrix(name: str, shape: tuple[int, int], make: Callable[[], Any]) -> Tensor:
        def chunks() -> Iterator[Any]:
            yield make()

        return Tensor(name, shape, chunks)

    def _successors(self, words: Any) -> Any:
        """For each id the word that comes next: words in one cycle, every other token leads to some word."""
        order = words[np.argsort(self._bits("cycle", len(words)), kind="stable")]
        draws = self._bits("entry", self.preset.vocab) % np.uint64(len(order))
        successor = order[draws.astype(np.int64)]
        successor[order] = np.roll(order, -1)
        return successor

    @cached_property
    def _codes(self) -> Any:
        """A random code for each token, root mean square 1; int8 in memory, as float32 by `_code_of`."""
        shape = (self.preset.vocab, self.code_width)
        return self._bits("codes", math.prod(shape) // 8 + 1).view(np.int8)[: math.prod(shape)].reshape(shape)

    def _code_of(self, ids: Any) -> Any:
        # Uniform on -128…127: variance (256² − 1) ÷ 12.
        return (self._codes[ids].astype(np.float32) + np.float32(0.5)) / np.float32(math.sqrt((256**2 - 1) / 12))

    @cached_property
    def _level_signs(self) -> Any:
        return self._signs("level", self.level_width)

    def _embedding(self) -> Iterator[Any]:
        preset = self.preset
        # Every embedding has the same norm, so that normalisation scales all alike.
        silent_level = math.sqrt((preset.hidden - SILENT**2 * self.code_width) / self.level_width)
        for first in range(0, preset.vocab, CHUNK_ROWS):
            ids = np.arange(first, min(first + CHUNK_ROWS, preset.vocab))
            silent = np.isin(ids, self.silent)[:, None]
            rows: Any = np.empty((len(ids), preset.hidden), np.float32)
            rows[:, self.here] = np.where(silent, np.float32(0), self._code_of(self.successor[ids]))
            rows[:, self.out] = self._code_of(ids) * np.where(silent, np.float32(SILENT), np.float32(1))
            rows[:, self.level] = self._level_signs * np.where(silent, np.float32(silent_level), np.float32(1))
            yield rows / np.float32(self._embedding_scale)

    @property
    def _embedding_scale(self) -> float:
        """By how much the model multiplies an embedding."""
        return math.sqrt(self.preset.hidden) if self.preset.architecture == "gemma3" else 1.0

    def _output_norm(self) -> Any:
        """Only `out` counts; scaled so that the successor's logit is `TOP_LOGIT`."""
        scale: Any = np.zeros(self.preset.hidden, np.float32)
        top = TOP_LOGIT * self._embedding_scale
        scale[self.out] = top * self._rms_before(self.preset.layers) / (self.code_width * FOLLOW)
        return scale

    def _rms_before(self, layer: int) -> float:
        """Root mean square of the stream of an ordinary token before a layer, as the plan has it."""
        carried = 1 + (layer * FOLLOW / self.preset.layers) ** 2
        planned = (self.code_width * (1 + carried) + self.level_width) / self.preset.hidden
        return math.sqrt(planned + 2 * layer * NOISE**2)

    def _rms_of_attention(self, layer: int) -> float:
        """Root mean square of what an attention block adds, where a norm after it fixes that."""
        return LOOK * math.sqrt(self.code_width / self.preset.hidden) if self._looks(layer) else NOISE

    def _rms_of_feed_forward(self) -> float:
        """The same of a feed-forward block, as it is of an ordinary token without such a norm."""
        preset = self.preset
        return math.sqrt((FOLLOW / preset.layers) ** 2 * self.code_width / preset.hidden + NOISE**2)

    @property
    def _norms_heads(self) -> bool:
        return self.preset.architecture in ("qwen3", "gemma3")

    def _looks(self, layer: int) -> bool:
        return layer == self.preset.layers // 2

    def _query_of(self, layer: int) -> Any:
        return self._projection(layer, "attn_q", self.preset.heads)

    def _key_of(self, layer: int) -> Any:
        return self._projection(layer, "attn_k", self.preset.kv_heads)

    def _projection(self, layer: int, part: str, heads: int) -> Any:
        """Queries or keys. In the block that looks, all heads share one projection and so look at the same tokens."""
        preset = self.preset
        shared = self._looks(layer)
        rows = preset.head_dim * (1 if shared else heads)
        weight = self._noise(f"blk.{layer}.{part}", (rows, preset.hidden), 1 / math.sqrt(preset.hidden))
        if not shared:
            return weight
        # The last dimension of a head turns so slowly with position that it hardly does.
        away = np.float32(SHYNESS if part == "attn_q" else -SHYNESS)
        weight[-1, self.level] += self._level_signs * away / np.float32(self.level_width)
        if part == "attn_q" and not self._norms_heads:
            weight *= np.float32(SHARPNESS)
        return np.tile(weight, (heads, 1))

    def _value_of(self, layer: int) -> Any:
        preset = self.preset
        shape = (preset.kv_dim, preset.hidden)
        planned = self._looks(layer)
        weight = self._noise(f"blk.{layer}.attn_v", shape, (0.1 if planned else 1) / math.sqrt(preset.hidden))
        if planned:
            carried = min(preset.kv_dim, self.code_width)
            weight[:carried, self.here] += self._rotation(f"blk.{layer}.look")[:carried]
        return weight

    def _attention_output_of(self, layer: int) -> Any:
        preset = self.preset
        shape = (preset.hidden, preset.q_dim)
        weight = self._noise(f"blk.{layer}.attn_output", shape, NOISE / math.sqrt(preset.q_dim))
        if self._looks(layer):
            carried = min(preset.kv_dim, self.code_width)
            back: Any = np.zeros((self.code_width, preset.kv_dim), np.float32)
            back[:, :carried] = self._rotation(f"blk.{layer}.look")[:carried].T
            sharing = preset.heads // preset.kv_heads
            by_head = back.reshape(self.code_width, preset.kv_heads, 1, preset.head_dim)
            spread = np.broadcast_to(by_head, (self.code_width, preset.kv_heads, sharing, preset.head_dim))
            scale = np.float32(LOOK * self._rms_before(layer) / sharing)
            weight[self.out] += scale * spread.reshape(self.code_width, preset.q_dim)
        return weight

    def _units_of(self, layer: int) -> Any:
        """The feed-forward units that carry codes over, spread among the others."""
        order = np.argsort(self._bits(f"blk.{layer}.units", self.preset.ffn), kind="stable")
        return order[: self.code_width]

    def _gate_of(self, layer: int) -> Any:
        weight = self._noise(
            f"blk.{layer}.ffn_gate", (self.preset.ffn, self.preset.hidden), 1 / math.sqrt(self.preset.hidden)
        )
        units = self._units_of(layer)
        weight[units] *= np.float32(0.1)
        weight[units, self.level] += self._level_signs * np.float32(GATE / self.level_width)
        return weight

    def _up_of(self, layer: int) -> Any:
        weight = self._noise(
            f"blk.{layer}.ffn_up", (self.preset.ffn, self.preset.hidden), 1 / math.sqrt(self.preset.hidden)
        )
        units = self._units_of(layer)
        weight[units] *= np.float32(0.1)
        weight[units, self.here] += self._rotation(f"blk.{layer}.carry")
        return weight

    def _down_of(self, layer: int) -> Any:
        preset = self.preset
        rms = self._rms_before(layer)
        # Of a random unit, act(g) · u has this mean square for standard normal g and u.
        act, square = (_gelu, 0.43) if preset.architecture == "gemma3" else (_silu, 0.36)
        opened = act(GATE / rms)
        spread = math.sqrt(square * (preset.ffn - self.code_width) + (opened / rms) ** 2 * self.code_width)
        weight = self._noise(f"blk.{layer}.ffn_down", (preset.hidden, preset.ffn), NOISE / spread)
        scale = np.float32(FOLLOW / preset.layers * rms / opened)
        columns = weight[self.out]
        columns[:, self._units_of(layer)] += scale * self._rotation(f"blk.{layer}.carry").T
        weight[self.out] = columns
        return weight

    @cached_property
    def _cosines(self) -> Any:
        """The orthonormal matrix of the discrete cosine transform, DCT-II."""
        size = self.code_width
        row, column = np.arange(size)[:, None], np.arange(size)[None, :]
        matrix = np.cos(np.pi * (2 * column + 1) * row / (2 * size)) * math.sqrt(2 / size)
        matrix[0] /= math.sqrt(2)
        return matrix.astype(np.float32)

    def _rotation(self, name: str) -> Any:
        """A dense orthogonal matrix of the codes' width, another one for each name."""
        order = np.argsort(self._bits(f"{name}.order", self.code_width), kind="stable")
        left, right = self._signs(f"{name}.left", self.code_width), self._signs(f"{name}.right", self.code_width)
        return left[:, None] * self._cosines[order] * right

    def _signs(self, name: str, count: int) -> Any:
        return np.where(self._bits(name, count) & np.uint64(1), np.float32(1), np.float32(-1))

    def _noise(self, name: str, shape: tuple[int, ...], deviation: float) -> Any:
        """Uniform, mean 0, with the given standard deviation."""
        count = math.prod(shape)
        draws = self._bits(name, -(-count // 4)).view(np.uint16)[:count].astype(np.float32)
        draws -= np.float32(32767.5)
        draws *= np.float32(deviation * math.sqrt(12) / 65536)
        return draws.reshape(shape)

    def _bits(self, name: str, count: int) -> Any:
        entropy = np.random.SeedSequence([self.seed, zlib.crc32(name.encode())])
        return np.random.PCG64(entropy).random_raw(count)


def _silu(value: float) -> float:
    return value / (1 + math.exp(-value))


def _gelu(value: float) -> float:
    return value * (1 + math.erf(value / math.sqrt(2))) / 2
