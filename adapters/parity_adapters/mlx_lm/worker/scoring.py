"""Computes a given sequence of ids, with the logits after each of them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from .runtime import Mlx

LOGITS_BYTES = 256 * 2**20
"""The most that the logits of one forward may take: with a large vocabulary, 2048 positions have more than 1 GB."""


def vocabulary_of(mlx: Mlx, model: Any) -> int:
    """How many logits the model gives. MLX knows a shape without computing the values."""
    return int(model(mlx.mx.array([[0]])).shape[-1])


def logits_after(mlx: Mlx, model: Any, ids: list[int], settings: dict[str, Any], cache: list[Any]) -> Iterator[Any]:
    """The logits after each id as float32 arrays of NumPy, in order, from forwards of up to `prefill_step` ids."""
    import numpy as np

    if settings.get("kv_bits"):
        # mlx-lm quantises what a forward has left in the cache; of a sequence that one forward computes, nothing
        quantise = importlib.import_module("mlx_lm.generate").maybe_quantize_kv_cache
        quantise(cache, quantized_kv_start=0, kv_group_size=64, kv_bits=settings["kv_bits"])
    step = min(settings.get("prefill_step") or 2048, max(1, LOGITS_BYTES // (4 * vocabulary_of(mlx, model))))
    for start in range(0, len(ids), step):
        part = mlx.mx.array([ids[start : start + step]])
        yield from np.asarray(model(part, cache=cache)[0].astype(mlx.mx.float32))
        mlx.mx.clear_cache()
