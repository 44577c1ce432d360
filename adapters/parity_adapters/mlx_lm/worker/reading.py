"""Reads a GGUF file's tensors into MLX's arrays: as stored where MLX has a form for the type, in float32 otherwise.

MLX's own reader does most of it. It dequantises some types, and fails at others; these are read here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from parity_worker import WorkerError

from .dequantising import NAMES, Stored, halves, stored_blocks, values
from .formats import BEYOND_MLX, BLOCK_SIZE, DEQUANTISED, REPACKED
from .gguf_file import gguf_tensors, read_metadata
from .runtime import Mlx

BITS = {"Q4_0": 4, "Q4_1": 4, "Q4_K": 4, "Q5_0": 5, "Q5_1": 5, "Q5_K": 5, "Q8_0": 8}
"""Types that MLX's affine form holds, with their bits a weight."""


def read_gguf(mlx: Mlx, path: str, kinds: set[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """All tensors, by GGUF's names, and the metadata. `kinds`: the types of the file's tensors; empty if not known.
    What is packed comes as three: `.weight`, `.scales` and `.biases`.

    Raises:
        WorkerError: the file can't be read.
    """
    kinds = kinds or kinds_in(path)
    if kinds & BEYOND_MLX:
        return dict(tensors_of(mlx, path, set(NAMES))), read_metadata(path)
    try:
        weights, metadata = mlx.mx.load(path, format="gguf", return_metadata=True)
    except (RuntimeError, ValueError) as error:
        raise WorkerError("refused", f"{path} can't be loaded: {error}") from error
    # MLX 0.32 dequantises every second sub-block of Q4_K wrongly, and rounds the others to float16
    weights.update(tensors_of(mlx, path, REPACKED | DEQUANTISED))
    return weights, metadata


def kinds_in(path: str) -> set[str]:
    """The types of a file's tensors, as far as they have a name here; empty where MLX is to say what is wrong."""
    names = {code: name for name, code in NAMES.items()}
    try:
        return {names[kind] for _, kind, _, _ in gguf_tensors(path) if kind in names}
    except (OSError, ValueError, KeyError, OverflowError, struct.error):
        return set()


def tensors_of(mlx: Mlx, path: str, kinds: set[str] | frozenset[str]) -> Iterator[tuple[str, Any]]:
    """The file's tensors of these types."""
    codes = {NAMES[name]: name for name in kinds}
    for name, code, shape, offset in gguf_tensors(path):
        if code not in codes:
            continue
        tensor = Stored(code, shape, offset)
        if codes[code] not in BITS:
            yield name, mlx.mx.array(values(path, tensor).reshape(shape[::-1]))
            continue
        stem = name.removesuffix(".weight")
        for part, array in zip(("weight", "scales", "biases"), packed(path, tensor, codes[code]), strict=True):
            yield f"{stem}.{part}", mlx.mx.array(array)


def packed(path: str, tensor: Stored, kind: str) -> tuple[Any, Any, Any]:
    """MLX's affine form in groups of 32: words of packed weights, scales and biases, each (rows, …)."""
    import numpy as np

    blocks = np.asarray(stored_blocks(path, tensor))
    bits = BITS[kind]
    weights, scales, biases = (_sub_blocks if kind in ("Q4_K", "Q5_K") else _blocks)(np, blocks, kind)
    weights = weights.reshape(tensor.rows, -1)
    if bits == 4:
        weights = weights[:, 0::2] | weights[:, 1::2] << 4
    elif bits < 8:
        each = np.unpackbits(weights[..., None], axis=-1, count=bits, bitorder="little")
        weights = np.packbits(each.reshape(tensor.rows, -1), axis=-1, bitorder="little")
    words = np.ascontiguousarray(weights).view(np.uint32)
    return words, scales.reshape(tensor.rows, -1), biases.reshape(tensor.rows, -1)


def _blocks(np: Any, blocks: Any, kind: str) -> tuple[Any, Any, Any]:
    """Blocks of 32 with a scale, and an offset where the type has one; the others are symmetric."""
    scale = halves(np, blocks[..., :2])
    has_offset = kind.endswith("_1")
    rest = blocks[..., 4:] if has_offset else blocks[..., 2:]
    if kind == "Q8_0":
        # from signed to unsigned
        return rest ^ 0x80, scale, -128 * scale
    high, low = (rest[..., :4], rest[..., 4:]) if BITS[kind] == 5 else (None, rest)
    weights = np.concatenate([low & 15, low >> 4], axis=-1)
    if high is not None:
        weights |= np.unpackbits(high, axis=-1, bitorder="little") << 4
    half = 1 << (BITS[kind] - 1)
    return weights, scale, halves(np, blocks[..., 2:4]) if has_offset else -half * scale


def _sub_blocks(np: Any, blocks: Any, kind: str) -> tuple[Any, Any, Any]:
    """Blocks of 256: two float16 scales, 12 bytes of packed 6-bit scales and minima of sub-blocks, weights."""
    d, least = halves(np, blocks[..., 0:2]), halves(np, blocks[..., 2:4])
    low, middle, high = blocks[..., 4:8], blocks[..., 8:12], blocks[..., 12:16]
    scales = np.concatenate([low & 63, (high & 15) | (low >> 6 << 4)], axis=-1)
    minima = np.concatenate([middle & 63, (high >> 4) | (middle >> 6 << 4)], axis=-1)
    bytes_of = blocks[..., -128:].reshape(*blocks.shape[:-1], 4, BLOCK_SIZE)
    weights = np.stack([bytes_of & 15, bytes_of >> 4], axis=-2).reshape(*blocks.shape[:-1], 8, BLOCK_SIZE)
    if kind == "Q5_K":
        fifths = blocks[..., 16:48, None] >> np.arange(8, dtype=np.uint8) & 1
        weights |= np.swapaxes(fifths, -1, -2) << 4
    return weights, d * scales, -least * minima
