"""phi3 (Phi-3, Phi-4): fused matrices, heads that are turned in part, and LongRoPE (arXiv:2402.13753).

llama.cpp divides frequencies by one list of factors for a context of up to the original length, and by another for a
longer one (llama-model.cpp: `get_rope_factors`). It multiplies what is turned by `rope.scaling.attn_factor`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parity_worker import WorkerError

from .base import LAYER_NAMES, Architecture, Shape, count, positive, turn_by

SHORT, LONG = "rope_factors_short.weight", "rope_factors_long.weight"
WINDOW, STRETCH = "attention.sliding_window", "rope.scaling.attn_factor"
ORIGINAL = "rope.scaling.original_context_length"


class Phi3(Architecture):
    name = "phi3"
    model_type = "phi3"
    layer_names = {**LAYER_NAMES, "attn_qkv": "self_attn.qkv_proj", "ffn_up": "mlp.gate_up_proj"}  # noqa: RUF012
    own_keys = {WINDOW: count, STRETCH: positive, ORIGINAL: count, "rope.dimension_count": positive}  # noqa: RUF012
    own_head_size = False
    rope_tensors = (SHORT, LONG)

    def arguments(self, shape: Shape) -> dict[str, Any]:
        scaling = None
        if shape.rope_factor != 1:
            # mlx-lm's model asks for this key, and reads it for other kinds of scaling only
            scaling = {"type": "linear", "factor": shape.rope_factor, "long_factor": []}
        return {"partial_rotary_factor": shape.rotated / shape.head_size, "rope_scaling": scaling}

    def objection(self, shape: Shape) -> str | None:
        if shape.rotated > shape.head_size or shape.rotated % 2:
            return f"phi3.rope.dimension_count = {shape.rotated} of a head of {shape.head_size}"
        return None

    def fit(self, mlx: Any, model: Any, shape: Shape, factors: Mapping[str, Any], positions: int) -> None:
        window = shape.own.get(WINDOW, 0)
        if 0 < window < positions:
            message = f"mlx-lm's phi3 attends to all positions, and phi3.{WINDOW} = {window} to so many"
            remedy = f"keep prompt and answer within {window} tokens"
            raise WorkerError("refused", f"{message}; the job has {positions}", remedy)
        stretch = shape.own.get(STRETCH, 1.0)
        original = shape.own.get(ORIGINAL, shape.context)
        chosen = LONG if original is not None and positions > original else SHORT
        if factors or stretch != 1:
            turn_by(mlx, model, shape, factors.get(chosen), stretch=stretch)
