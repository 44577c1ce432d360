"""gemma3: norms after each part too, sliding windows in most layers, GELU in the feed-forward (arXiv:2503.19786)."""

from __future__ import annotations

from typing import Any

from .base import LAYER_NAMES, Architecture, Shape, count, positive

WINDOW, PATTERN, LOCAL_BASE = "attention.sliding_window", "attention.sliding_window_pattern", "rope.freq_base_swa"
USUAL_PATTERN = 6
LARGEST_LAYERS = 62
"""Of the 27B model, by which llama.cpp knows it: queries are scaled by the embedding's size there."""


def period(value: Any) -> int | None:
    """Every how many layers one sees all positions: a number, or a list with a truth value a layer, true for windows.
    None for a list that has another order."""
    if isinstance(value, list):
        windows = [bool(each) for each in value]
        first = windows.index(False) + 1 if False in windows else len(windows) + 1
        regular = windows == [k % first < first - 1 for k in range(len(windows))]
        return first if windows and regular else None
    return int(value) if positive(value) is not None and value == int(value) else None


class Gemma3(Architecture):
    name = "gemma3"
    model_type = "gemma3_text"
    layer_names = {  # noqa: RUF012
        **LAYER_NAMES,
        "attn_q_norm": "self_attn.q_norm",
        "attn_k_norm": "self_attn.k_norm",
        "post_attention_norm": "post_attention_layernorm",
        "ffn_norm": "pre_feedforward_layernorm",
        "post_ffw_norm": "post_feedforward_layernorm",
    }
    own_keys = {WINDOW: count, PATTERN: period, LOCAL_BASE: positive}  # noqa: RUF012
    has_windows = True
    ties_by_weights = True
    norm_offset = 1.0

    def arguments(self, shape: Shape) -> dict[str, Any]:
        window = shape.own.get(WINDOW, 0)
        head = shape.hidden // shape.heads if shape.layers == LARGEST_LAYERS else shape.head_size
        return {
            "head_dim": shape.head_size,
            "query_pre_attn_scalar": head,
            "sliding_window": window,
            "sliding_window_pattern": shape.own.get(PATTERN, USUAL_PATTERN) if window else 1,
            "rope_local_base_freq": shape.own.get(LOCAL_BASE, 10000.0),
        }

    def objection(self, shape: Shape) -> str | None:
        pattern = self.arguments(shape)["sliding_window_pattern"]
        if pattern > shape.layers:
            return f"gemma3.block_count = {shape.layers}, where one layer of {pattern} sees all positions"
        return None
