"""The values of a GGUF file's tensors, by the definition of each type and to the last bit: what a conversion must give.

Formulas: `dequantize_row_*` in llama.cpp's ggml-quants.c. No product here has more than 24 significant bits, so that
float32 holds each value exactly, but for the sum of Q4_1, Q5_1, Q4_K and Q5_K, which is rounded once.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

BLOCKS = {
    0: (1, 4),
    1: (1, 2),
    2: (32, 18),
    3: (32, 20),
    6: (32, 22),
    7: (32, 24),
    8: (32, 34),
    12: (256, 144),
    13: (256, 176),
    14: (256, 210),
    30: (1, 2),
}
"""Type code → weights and bytes of a block."""

NAMES = {
    "F32": 0,
    "F16": 1,
    "Q4_0": 2,
    "Q4_1": 3,
    "Q5_0": 6,
    "Q5_1": 7,
    "Q8_0": 8,
    "Q4_K": 12,
    "Q5_K": 13,
    "Q6_K": 14,
    "BF16": 30,
}


class Stored(NamedTuple):
    """A tensor as `gguf_tensors` finds it: its type code, its shape with the fastest dimension first, its place."""

    kind: int
    shape: tuple[int, ...]
    offset: int

    @property
    def rows(self) -> int:
        return math.prod(self.shape[1:])


def stored_blocks(path: str, tensor: Stored) -> Any:
    """The bytes of a tensor, which stay in the file: (rows, blocks, bytes of a block)."""
    import numpy as np

    weights, size = BLOCKS[tensor.kind]
    return np.memmap(path, np.uint8, "r", tensor.offset, (tensor.rows, tensor.shape[0] // weights, size))


def values(path: str, tensor: Stored, first: int = 0, count: int | None = None) -> Any:
    """Rows of a tensor as float32, (rows, columns); `count` of them from `first`, or all."""
    import numpy as np

    part = np.asarray(stored_blocks(path, tensor)[first : None if count is None else first + count])
    return _OF_KIND[tensor.kind](np, part).reshape(len(part), tensor.shape[0])


def halves(np: Any, raw: Any) -> Any:
    """Bytes of float16 numbers as float32."""
    return np.ascontiguousarray(raw).view(np.float16).astype(np.float32)


def _f32(np: Any, raw: Any) -> Any:
    return np.ascontiguousarray(raw).view(np.float32)


def _bf16(np: Any, raw: Any) -> Any:
    return (np.ascontiguousarray(raw).view(np.uint16).astype(np.uint32) << 16).view(np.float32)


def _nibbles(np: Any, raw: Any) -> Any:
    return np.concatenate([raw & 15, raw >> 4], axis=-1).astype(np.float32)


def _q4_0(np: Any, raw: Any) -> Any:
    return halves(np, raw[..., :2]) * (_nibbles(np, raw[..., 2:]) - 8)


def _q4_1(np: Any, raw: Any) -> Any:
    return halves(np, raw[..., :2]) * _nibbles(np, raw[..., 4:]) + halves(np, raw[..., 2:4])


def _fives(np: Any, high: Any, low: Any) -> Any:
    """The 5-bit numbers of a block of 32: the fifth bit of each in four bytes, the other four as nibbles."""
    return _nibbles(np, low) + 16 * np.unpackbits(high, axis=-1, bitorder="little").astype(np.float32)


def _q5_0(np: Any, raw: Any) -> Any:
    return halves(np, raw[..., :2]) * (_fives(np, raw[..., 2:6], raw[..., 6:]) - 16)


def _q5_1(np: Any, raw: Any) -> Any:
    return halves(np, raw[..., :2]) * _fives(np, raw[..., 4:8], raw[..., 8:]) + halves(np, raw[..., 2:4])


def _q8_0(np: Any, raw: Any) -> Any:
    return halves(np, raw[..., :2]) * raw[..., 2:].view(np.int8).astype(np.float32)


def _q4_k(np: Any, raw: Any) -> Any:
    return _sub_blocks(np, raw, raw[..., 16:], None)


def _q5_k(np: Any, raw: Any) -> Any:
    return _sub_blocks(np, raw, raw[..., 48:], raw[..., 16:48])


def _sub_blocks(np: Any, raw: Any, quants: Any, high: Any) -> Any:
    """Q4_K and Q5_K: eight sub-blocks with scales and minima of 6 bits. `high`: the fifth bits, a bit a sub-block."""
    d, least = halves(np, raw[..., :2]), halves(np, raw[..., 2:4])
    packed = raw[..., 4:16]
    found = []
    for k in range(8):
        if k < 4:
            scale, minimum = packed[..., k] & 63, packed[..., k + 4] & 63
        else:
            scale = packed[..., k + 4] & 15 | packed[..., k - 4] >> 6 << 4
            minimum = packed[..., k + 4] >> 4 | packed[..., k] >> 6 << 4
        half = quants[..., k // 2 * 32 : k // 2 * 32 + 32]
        q = half & 15 if k % 2 == 0 else half >> 4
        if high is not None:
            q = q | (high >> k & 1) << 4
        found.append(d * scale[..., None] * q.astype(np.float32) - least * minimum[..., None])
    return np.concatenate(found, axis=-1)


def _q6_k(np: Any, raw: Any) -> Any:
    head = raw.shape[:-1]
    low = raw[..., :128].reshape(*head, 2, 1, 2, 32)
    high = raw[..., 128:192].reshape(*head, 2, 1, 32)
    scales = raw[..., 192:208].view(np.int8).reshape(*head, 2, 4, 2, 1).astype(np.float32)
    d = halves(np, raw[..., 208:]).reshape(*head, 1, 1, 1, 1)
    lows = np.concatenate([low & 15, low >> 4], axis=-3).reshape(*head, 2, 4, 32)
    highs = high >> np.array([0, 2, 4, 6], np.uint8)[:, None] & 3
    q = (lows | highs << 4).astype(np.float32) - 32
    return d * scales * q.reshape(*head, 2, 4, 2, 16)


_OF_KIND = {
    0: _f32,
    1: halves,
    2: _q4_0,
    3: _q4_1,
    6: _q5_0,
    7: _q5_1,
    8: _q8_0,
    12: _q4_k,
    13: _q5_k,
    14: _q6_k,
    30: _bf16,
}
