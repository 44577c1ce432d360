"""qwen3: a norm of each query and key head."""

from __future__ import annotations

from typing import Any

from .base import LAYER_NAMES, Architecture, Shape


class Qwen3(Architecture):
    name = "qwen3"
    model_type = "qwen3"
    layer_names = {**LAYER_NAMES, "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"}  # noqa: RUF012

    def arguments(self, shape: Shape) -> dict[str, Any]:
        return {"head_dim": shape.head_size}
