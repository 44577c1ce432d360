"""The GGUF architectures that this worker can place in mlx-lm's models. Plain data, the adapter's too."""

from __future__ import annotations

from .base import Architecture, Shape
from .gemma3 import Gemma3
from .llama import Llama
from .phi3 import Phi3
from .qwen2 import Qwen2
from .qwen3 import Qwen3

ARCHITECTURES: dict[str, Architecture] = {
    architecture.name: architecture for architecture in (Llama(), Qwen2(), Qwen3(), Phi3(), Gemma3())
}

__all__ = ["ARCHITECTURES", "Architecture", "Shape"]
