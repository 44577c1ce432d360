"""Loads weights into mlx-lm's models: an MLX folder through mlx-lm's own loader, or the tensors of a GGUF file."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from parity_worker import WorkerError

from .dequantising import NAMES, Stored, values
from .formats import AS_STORED, BLOCK_SIZE, DEQUANTISED, READ_TYPES, REPACKED
from .gguf_file import Metadata, gguf_tensors
from .keys import INSTEAD, Shape, read_shape, refuse_tokenizer
from .runtime import Mlx
from .tokenizing import Policy, Tokenizer, folder_tokenizer, gguf_tokenizer, held_tokenizer

PROOF, POLICY, ROPE, WEIGHTS = "conversion.json", "parity.json", "rope_freqs.safetensors", "model.safetensors"
"""Files of a converted folder: the proof of equality, what the GGUF says of its tokenizer, its divisors of RoPE's
frequencies where it has any, and the weights."""


class Loaded(NamedTuple):
    """A model whose tokenizer is still to be built. `weights` says how the file's weights are held. Of a GGUF file
    also its metadata, its shape, and its divisors of RoPE's frequencies."""

    model: Any
    dtype: str
    weights: str
    tokenizer: Callable[[], Tokenizer]
    metadata: Any = None
    shape: Shape | None = None
    rope_factors: Any = None


def load_folder(mlx: Mlx, facts: dict[str, Any], dtype: str | None) -> Loaded:
    """An ordinary MLX model folder, through mlx-lm's own loader."""
    path = Path(facts["path"])
    model, config = mlx.utils.load_model(path, lazy=False)
    if dtype is not None:
        model.set_dtype(getattr(mlx.mx, dtype))
    quantisation = config.get("quantization")
    weights = "as stored"
    if quantisation:
        weights += f": affine {quantisation['bits']} bits, groups of {quantisation['group_size']}"
    held = dtype or str(config.get("torch_dtype") or config.get("dtype") or "as stored")
    return Loaded(model, held, weights, lambda: folder_tokenizer(mlx, path, config))


def load_gguf(mlx: Mlx, facts: dict[str, Any], dtype: str | None) -> Loaded:
    """The file's own weights in mlx-lm's model of its architecture.

    Q4_0, Q4_1, Q8_0 and Q4_K are MLX's affine form with groups of 32, so that nothing is quantised anew. The rest that
    is not packed (scales, biases, norms, plain matrices) is held in `dtype`: float32 is lossless and, on the CPU, some
    25 times faster than float16; a GPU gets float16 unless the file is float32 throughout.
    """
    kinds = set(facts["quantisation"])
    unread = sorted(kinds - READ_TYPES)
    if unread:
        message = f"MLX doesn't read tensors of type {', '.join(unread)} from a GGUF file"
        raise WorkerError("refused", message, "give this runtime an MLX model folder, or a different quantisation")
    try:
        weights, raw = mlx.mx.load(facts["path"], format="gguf", return_metadata=True)
    except (RuntimeError, ValueError) as error:
        raise WorkerError("refused", f"{facts['path']} can't be loaded: {error}") from error
    metadata = Metadata(raw)
    vocabulary = weights["token_embd.weight"].shape[0]
    shape = read_shape(metadata, vocabulary)
    refuse_tokenizer(metadata)
    model = empty_model(metadata, shape, vocabulary, tied="output.weight" not in weights)
    if not kinds or kinds & REPACKED:
        # MLX 0.32 dequantises every second sub-block of Q4_K wrongly
        weights.update(q4_k_tensors(mlx, facts["path"]))
    if not kinds or kinds & DEQUANTISED:
        # MLX rounds them to float16
        weights.update(plain_tensors(mlx, facts["path"]))
    if dtype is None:
        whole = (
            all(kind == "F32" for kind in kinds)
            if kinds
            else not any(t.dtype != mlx.mx.float32 for t in weights.values())
        )
        dtype = "float32" if mlx.device == "cpu" or whole else "float16"

    # llama.cpp takes them for llama alone; in a file of another architecture they are left over, and refused
    factors = weights.pop("rope_freqs.weight", None) if metadata.architecture == "llama" else None
    held = {}
    for name in list(weights):
        tensor = weights.pop(name)
        held[model_name(name)] = tensor if tensor.dtype == mlx.mx.uint32 else tensor.astype(getattr(mlx.mx, dtype))

    def packed(name: str, _module: Any) -> bool | dict[str, int]:
        if f"{name}.scales" not in held:
            return False
        words, groups = held[f"{name}.weight"].shape[1], held[f"{name}.scales"].shape[1]
        return {"group_size": BLOCK_SIZE, "bits": words // groups}

    mlx.nn.quantize(model, group_size=BLOCK_SIZE, class_predicate=packed)
    try:
        model.load_weights(list(held.items()))
    except ValueError as error:
        message = f"the file's tensors don't fit mlx-lm's {metadata.architecture}: {error}"
        raise WorkerError("refused", message, INSTEAD) from error
    if factors is not None:
        if 2 * factors.shape[0] != shape.head_size:
            raise WorkerError("refused", f"rope_freqs.weight isn't of half a head: {factors.shape[0]} values", INSTEAD)
        scale_rope(mlx, model, shape.rope_base, shape.rope_factor, factors)
    held_as = how_held(facts["quantisation"], dtype)
    return Loaded(model, dtype, held_as, lambda: gguf_tokenizer(metadata), metadata, shape, factors)


def load_converted(mlx: Mlx, converted: dict[str, Any]) -> Loaded:
    """The folder that a conversion made of a GGUF file, through mlx-lm's own loader."""
    folder = Path(converted["folder"])
    model, _ = mlx.utils.load_model(folder, lazy=False)
    if (folder / ROPE).exists():
        policy = read_policy(folder)
        factors = mlx.mx.load(str(folder / ROPE))["factors"]
        scale_rope(mlx, model, policy.rope_base, policy.rope_factor, factors)
    proof = json.loads((folder / PROOF).read_text(encoding="utf-8"))
    equal = (
        "exactly" if proof["exact"] else f"but for rounding to {proof['dtype']} of at most {proof['largest_error']:.3g}"
    )
    held_as = f"converted before the trials: {proof['tensors_compared']} tensors equal to the file's, {equal}"
    return Loaded(model, proof["dtype"], held_as, lambda: held_tokenizer(mlx, folder, read_policy(folder)))


def read_policy(folder: Path) -> Policy:
    return Policy(**json.loads((folder / POLICY).read_text(encoding="utf-8")))


def empty_model(metadata: Metadata, shape: Shape, vocabulary: int, tied: bool) -> Any:
    """mlx-lm's model of the file's shape. llama.cpp keeps llama's query and key rows in the order of its interleaved
    RoPE, which MLX calls traditional; so the rows stay where they are."""
    arguments = {
        "model_type": metadata.architecture,
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "intermediate_size": shape.feed_forward,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_size,
        "rms_norm_eps": shape.rms_epsilon,
        "vocab_size": vocabulary,
        "max_position_embeddings": metadata.get(f"{metadata.architecture}.context_length"),
        "rope_theta": shape.rope_base,
        "rope_scaling": None if shape.rope_factor == 1 else {"type": "linear", "factor": shape.rope_factor},
        "tie_word_embeddings": tied,
    }
    if metadata.architecture == "llama":
        arguments["rope_traditional"] = True
    module = importlib.import_module(f"mlx_lm.models.{metadata.architecture}")
    return module.Model(module.ModelArgs(**arguments))


TOP_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def model_name(name: str) -> str:
    """`blk.3.attn_q.scales` → `model.layers.3.self_attn.q_proj.scales`. A tensor of no known name keeps its own, and
    is refused when the weights are loaded."""
    head, _, rest = name.partition(".")
    if head != "blk":
        return f"{TOP_NAMES.get(head, head)}.{rest}"
    layer, module, kind = rest.split(".", 2)
    return f"model.layers.{layer}.{LAYER_NAMES.get(module, module)}.{kind}"


def scale_rope(mlx: Mlx, model: Any, base: float, factor: float, factors: Any) -> None:
    """Llama 3's frequencies, which the file holds as divisors of the plain ones; `factor` divides positions."""
    size = factors.shape[0] * 2
    periods = base ** (mlx.mx.arange(0, size, 2, dtype=mlx.mx.float32) / size) * factors.astype(mlx.mx.float32)

    def rope(x: Any, offset: Any = 0) -> Any:
        return mlx.mx.fast.rope(x, size, traditional=True, base=None, scale=1 / factor, offset=offset, freqs=periods)

    for layer in model.layers:
        layer.self_attn.rope = rope


def plain_tensors(mlx: Mlx, path: str) -> dict[str, Any]:
    """The file's tensors of types that MLX has no form for, as float32, exactly."""
    codes = {NAMES[name] for name in DEQUANTISED}
    return {
        name: mlx.mx.array(values(path, Stored(kind, shape, offset)).reshape(shape[::-1]))
        for name, kind, shape, offset in gguf_tensors(path)
        if kind in codes
    }


Q4_K_CODE = 12
Q4_K_SHAPE = (256, 144)
"""Weights and bytes of a Q4_K block: two float16 scales, 12 bytes of packed 6-bit scales and minima, 256 nibbles."""


def q4_k_tensors(mlx: Mlx, path: str) -> dict[str, Any]:
    """The file's Q4_K tensors as MLX's affine weight, scales and biases."""
    import numpy as np

    per_block, block_bytes = Q4_K_SHAPE
    tensors = {}
    for name, kind, shape, offset in gguf_tensors(path):
        if kind != Q4_K_CODE:
            continue
        rows, blocks = math.prod(shape[1:]), shape[0] // per_block
        stored = np.memmap(path, np.uint8, "r", offset, (rows, blocks, block_bytes))
        d: Any = stored[..., 0:2].view(np.float16)
        d_min: Any = stored[..., 2:4].view(np.float16)
        low, middle, high = stored[..., 4:8], stored[..., 8:12], stored[..., 12:16]
        scales = np.concatenate([low & 63, (high & 15) | (low >> 6 << 4)], axis=-1)
        minima = np.concatenate([middle & 63, (high >> 4) | (middle >> 6 << 4)], axis=-1)
        halves = stored[..., 16:].reshape(rows, blocks, 4, BLOCK_SIZE)
        nibbles = np.stack([halves & 15, halves >> 4], axis=-2)
        packed = nibbles[..., 0::2] | (nibbles[..., 1::2] << 4)
        stem = name.removesuffix(".weight")
        tensors[f"{stem}.weight"] = mlx.mx.array(packed.reshape(rows, -1).view(np.uint32))
        tensors[f"{stem}.scales"] = mlx.mx.array((d.astype(np.float32) * scales).reshape(rows, -1))
        tensors[f"{stem}.biases"] = mlx.mx.array((-d_min.astype(np.float32) * minima).reshape(rows, -1))
    return tensors


def how_held(census: dict[str, int], dtype: str) -> str:
    """What became of the file's tensor types."""
    if not census:
        return "tensor types not known"
    ways = {
        "as stored": AS_STORED,
        "as stored, scales multiplied out": REPACKED,
        f"dequantised, held in {dtype}": DEQUANTISED,
    }
    listed = {way: ", ".join(sorted(kinds & set(census))) for way, kinds in ways.items()}
    return "; ".join(f"{way}: {kinds}" for way, kinds in listed.items() if kinds)
