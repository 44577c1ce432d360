"""What differs between architectures when a GGUF file is placed in a model of mlx-lm: one subclass each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

TOP_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


class Shape(NamedTuple):
    """What the keys of the architecture say. `rotated`: dimensions of a head that RoPE turns; `rope_factor` divides
    positions; `own`: the values of the architecture's own keys that the file has."""

    layers: int
    hidden: int
    feed_forward: int
    heads: int
    kv_heads: int
    head_size: int
    rotated: int
    rms_epsilon: float
    rope_base: float
    rope_factor: float
    context: int | None
    own: dict[str, Any]


class Architecture:
    """A GGUF architecture and mlx-lm's model of it. The defaults suit a plain decoder with RMSNorm and SwiGLU."""

    name: ClassVar[str]
    model_type: ClassVar[str]
    """mlx-lm's name of the model."""

    layer_names: ClassVar[Mapping[str, str]] = LAYER_NAMES
    """A block's tensors: GGUF's name → mlx-lm's."""

    own_keys: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}
    """Keys that are obeyed for this architecture alone → what the value means; None where it can't be obeyed."""

    own_head_size: ClassVar[bool] = True
    """Whether the model takes heads of another size than the embedding's divided by their number."""

    has_windows: ClassVar[bool] = False
    """Whether some layers have a sliding window, and so keys of their own."""

    ties_by_weights: ClassVar[bool] = False
    """Whether the model has no argument for a head that is the embedding, and goes by whether the weights have one."""

    rope_tensors: ClassVar[tuple[str, ...]] = ()
    """Tensors that divide RoPE's frequencies. llama.cpp takes them for this architecture; elsewhere they are left
    over, and refused."""

    norm_offset: ClassVar[float] = 0.0
    """What the model adds to the weight of each norm before it multiplies. A GGUF holds the sum."""

    def arguments(self, shape: Shape) -> dict[str, Any]:
        """What the model is made with, besides what all models have."""
        return {}

    def objection(self, shape: Shape) -> str | None:
        """Why a file of this shape can't be computed as llama.cpp does."""
        return None

    def fit(self, mlx: Any, model: Any, shape: Shape, factors: Mapping[str, Any], positions: int) -> None:
        """Makes the model ready for a sequence. `factors`: the file's `rope_tensors`.

        Raises:
            WorkerError: it would compute so many positions otherwise than the file says.
        """

    def mlx_name(self, name: str) -> str:
        """`blk.3.attn_q.scales` → `model.layers.3.self_attn.q_proj.scales`. A tensor of no known name keeps its own,
        and is refused when the weights are loaded."""
        head, _, rest = name.partition(".")
        if head != "blk":
            return f"{TOP_NAMES.get(head, head)}.{rest}"
        layer, module, kind = rest.split(".", 2)
        return f"model.layers.{layer}.{self.layer_names.get(module, module)}.{kind}"


def positive(value: Any) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if number and 0 < value < float("inf") else None


def count(value: Any) -> Any:
    """A whole number from 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def turn_by(
    mlx: Any, model: Any, shape: Shape, factors: Any, *, traditional: bool = False, stretch: float = 1.0
) -> None:
    """Gives every layer RoPE whose frequencies are divided by `factors`, an array of half the rotated dimensions, or by
    nothing. `stretch` multiplies what is turned, and so both queries and keys."""
    mx, size = mlx.mx, shape.rotated
    periods = shape.rope_base ** (mx.arange(0, size, 2, dtype=mx.float32) / size)
    if factors is not None:
        periods = periods * factors.astype(mx.float32)

    def rope(x: Any, offset: Any = 0) -> Any:
        if stretch != 1.0:
            x = x.at[..., :size].multiply(stretch)
        scale = 1 / shape.rope_factor
        return mx.fast.rope(x, size, traditional=traditional, base=None, scale=scale, offset=offset, freqs=periods)

    for layer in model.layers:
        layer.self_attn.rope = rope
