"""llama: GGUF keeps query and key rows in the order of its interleaved RoPE, which MLX calls traditional."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import Architecture, Shape, turn_by

DIVISORS = "rope_freqs.weight"
"""Llama 3's frequencies, which the file holds as divisors of the plain ones."""


class Llama(Architecture):
    name = "llama"
    model_type = "llama"
    rope_tensors = (DIVISORS,)

    def arguments(self, shape: Shape) -> dict[str, Any]:
        return {"head_dim": shape.head_size, "rope_traditional": True}

    def fit(self, mlx: Any, model: Any, shape: Shape, factors: Mapping[str, Any], positions: int) -> None:
        if factors:
            turn_by(mlx, model, shape, factors[DIVISORS], traditional=True)
