"""qwen2: biases of queries, keys and values."""

from __future__ import annotations

from .base import Architecture


class Qwen2(Architecture):
    name = "qwen2"
    model_type = "qwen2"
    own_head_size = False
