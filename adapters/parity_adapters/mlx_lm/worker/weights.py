"""Loads weights into mlx-lm's models: an MLX folder through mlx-lm's own loader, or the tensors of a GGUF file."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from parity_worker import WorkerError

from .architectures import ARCHITECTURES, Architecture, Shape
from .formats import AS_STORED, BLOCK_SIZE, DEQUANTISED, READ_TYPES, REPACKED
from .gguf_file import Metadata
from .keys import INSTEAD, read_shape, refuse_tokenizer
from .reading import read_gguf
from .runtime import Mlx
from .tokenizing import Policy, Tokenizer, folder_tokenizer, gguf_tokenizer, held_tokenizer

PROOF, POLICY, ROPE, WEIGHTS = "conversion.json", "parity.json", "rope_factors.safetensors", "model.safetensors"
"""Files of a converted folder: the proof of equality, what the GGUF says of its tokenizer and its shape, its divisors
of RoPE's frequencies where it has any, and the weights."""

EMBEDDING = "token_embd.weight"


class Origin(NamedTuple):
    """Of a GGUF file: the architecture, what its keys say, and its divisors of RoPE's frequencies by name."""

    architecture: Architecture
    shape: Shape
    factors: dict[str, Any]


class Loaded(NamedTuple):
    """A model whose tokenizer is still to be built. `weights` says how the file's weights are held. `origin`: where
    they are those of a GGUF file; `metadata`: where they were read from it just now."""

    model: Any
    dtype: str
    weights: str
    tokenizer: Callable[[], Tokenizer]
    origin: Origin | None = None
    metadata: Any = None

    def fit(self, mlx: Mlx, positions: int) -> None:
        """Makes the model ready for so many positions.

        Raises:
            WorkerError: it would compute them otherwise than the file says.
        """
        if self.origin is not None:
            architecture, shape, factors = self.origin
            architecture.fit(mlx, self.model, shape, factors, positions)


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

    Types of 4, 5 and 8 bits with scales for 32 weights are MLX's affine form, so that nothing is quantised anew. The
    rest that is not packed (scales, biases, norms, plain matrices) is held in `dtype`: float32 is lossless and, on the
    CPU, some 25 times faster than float16; a GPU gets float16 unless the file is float32 throughout.
    """
    kinds = set(facts["quantisation"])
    unread = sorted(kinds - READ_TYPES)
    if unread:
        message = f"MLX doesn't read tensors of type {', '.join(unread)} from a GGUF file"
        raise WorkerError("refused", message, "give this runtime an MLX model folder, or a different quantisation")
    weights, raw = read_gguf(mlx, facts["path"], kinds)
    metadata = Metadata(raw)
    if EMBEDDING not in weights:
        raise WorkerError("refused", f"the file has no tensor {EMBEDDING}", INSTEAD)
    vocabulary = weights[EMBEDDING].shape[0]
    shape = read_shape(metadata, vocabulary)
    refuse_tokenizer(metadata)
    architecture = ARCHITECTURES[metadata.architecture]
    model = empty_model(architecture, shape, vocabulary, tied="output.weight" not in weights)
    if dtype is None:
        whole = (
            all(kind == "F32" for kind in kinds)
            if kinds
            else not any(t.dtype != mlx.mx.float32 for t in weights.values())
        )
        dtype = "float32" if mlx.device == "cpu" or whole else "float16"

    factors = {name: weights.pop(name) for name in architecture.rope_tensors if name in weights}
    for name, tensor in factors.items():
        if 2 * tensor.shape[0] != shape.rotated:
            raise WorkerError("refused", f"{name} isn't of half a head: {tensor.shape[0]} values", INSTEAD)
    held = {}
    for name in list(weights):
        tensor = weights.pop(name)
        if name.endswith("norm.weight") and architecture.norm_offset:
            tensor = tensor - architecture.norm_offset
        kept = tensor if tensor.dtype == mlx.mx.uint32 else tensor.astype(getattr(mlx.mx, dtype))
        held[architecture.mlx_name(name)] = kept

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
    held_as = how_held(facts["quantisation"], dtype)
    origin = Origin(architecture, shape, factors)
    return Loaded(model, dtype, held_as, lambda: gguf_tokenizer(metadata), origin, metadata)


def load_converted(mlx: Mlx, converted: dict[str, Any]) -> Loaded:
    """The folder that a conversion made of a GGUF file, through mlx-lm's own loader."""
    folder = Path(converted["folder"])
    model, _ = mlx.utils.load_model(folder, lazy=False)
    said = json.loads((folder / POLICY).read_text(encoding="utf-8"))
    factors = mlx.mx.load(str(folder / ROPE)) if (folder / ROPE).exists() else {}
    origin = Origin(ARCHITECTURES[said["architecture"]], Shape(**said["shape"]), factors)
    proof = json.loads((folder / PROOF).read_text(encoding="utf-8"))
    equal = (
        "exactly" if proof["exact"] else f"but for rounding to {proof['dtype']} of at most {proof['largest_error']:.3g}"
    )
    held_as = f"converted before the trials: {proof['tensors_compared']} tensors equal to the file's, {equal}"
    return Loaded(model, proof["dtype"], held_as, lambda: held_tokenizer(mlx, folder, read_policy(folder)), origin)


def write_policy(folder: Path, policy: Policy, origin: Origin) -> None:
    said = {
        "architecture": origin.architecture.name,
        "shape": origin.shape._asdict(),
        "policy": policy._asdict(),
    }
    (folder / POLICY).write_text(json.dumps(said), encoding="utf-8")


def read_policy(folder: Path) -> Policy:
    return Policy(**json.loads((folder / POLICY).read_text(encoding="utf-8"))["policy"])


def empty_model(architecture: Architecture, shape: Shape, vocabulary: int, tied: bool) -> Any:
    """mlx-lm's model of the file's shape."""
    arguments = {
        "model_type": architecture.model_type,
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "intermediate_size": shape.feed_forward,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "rms_norm_eps": shape.rms_epsilon,
        "vocab_size": vocabulary,
        "max_position_embeddings": shape.context,
        "rope_theta": shape.rope_base,
        "rope_scaling": None if shape.rope_factor == 1 else {"type": "linear", "factor": shape.rope_factor},
        **({} if architecture.ties_by_weights else {"tie_word_embeddings": tied}),
        **architecture.arguments(shape),
    }
    module = importlib.import_module(f"mlx_lm.models.{architecture.model_type}")
    model = module.Model(module.ModelArgs(**arguments))
    if tied and architecture.ties_by_weights:
        model.sanitize({})
    return model


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
