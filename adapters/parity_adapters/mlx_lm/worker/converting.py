"""Converts a GGUF file into a folder that mlx-lm's own loader reads, and proves that it holds the same weights.

A trial then loads the folder, so that the time of its load is mlx-lm's. The folder has the ordinary files of an MLX
model and two more: `parity.json`, with what the GGUF says of its tokenizer, and `conversion.json`, with the proof.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from parity_worker import Events, WorkerError

from .dequantising import Stored, values
from .formats import BLOCK_SIZE
from .gguf_file import gguf_tensors
from .runtime import Mlx, import_runtime
from .tokenizing import gguf_tokenizer, held_tokenizer, policy_of, rebuild
from .weights import PROOF, ROPE, WEIGHTS, Loaded, Origin, load_gguf, read_policy, write_policy

CHUNK_WEIGHTS = 1 << 24
ROUNDING = {"float32": 0.0, "float16": 2.0**-11, "bfloat16": 2.0**-8}
"""Largest relative error of rounding to a type. float16 also has a least step."""
LEAST_STEP = {"float32": 0.0, "float16": 2.0**-24, "bfloat16": 0.0}
SAMPLES = ("Hello, world", "  two  spaces\n\nand 12345 é ☃ 漢字", "<|im_start|>user\nit's<|im_end|>")


def convert(events: Events, request: dict[str, Any]) -> str:
    """Writes the folder `to`, which must be there and empty; returns the reason for `bye`. `request` also has `path`,
    `settings`, and the file's `quantisation`."""
    settings, path, folder = request["settings"], request["path"], Path(request["to"])
    mlx = import_runtime(settings.get("device"))
    loaded = load_gguf(mlx, {"path": path, "quantisation": request["quantisation"]}, settings.get("dtype"))
    check_room(mlx, loaded, folder)
    write(mlx, loaded, path, folder)
    assert loaded.origin is not None, "a GGUF file's"
    proof = prove(mlx, path, folder, loaded.dtype, loaded.origin)
    same_ids(mlx, loaded, folder)
    (folder / PROOF).write_text(json.dumps(proof, indent=2) + "\n", encoding="utf-8")
    events.send("settings", values=proof)
    return "probe"


def check_room(mlx: Mlx, loaded: Loaded, folder: Path) -> None:
    from mlx.utils import tree_flatten

    need = sum(tensor.nbytes for _, tensor in tree_flatten(loaded.model.parameters())) + (64 << 20)
    free = shutil.disk_usage(folder).free
    if need > free:
        message = f"the converted model needs {need:,} bytes on the disk of {folder}, and {free:,} bytes are free"
        raise WorkerError("refused", message, "free some space, or set PARITY_CACHE to a folder on a larger disk")


def write(mlx: Mlx, loaded: Loaded, path: str, folder: Path) -> None:
    from mlx.utils import tree_flatten

    metadata, origin = loaded.metadata, loaded.origin
    assert origin is not None, "a GGUF file's"
    rebuild(metadata).save_pretrained(folder)
    policy = policy_of(metadata)
    write_policy(folder, policy, origin)
    if origin.factors:
        mlx.mx.save_safetensors(str(folder / ROPE), origin.factors)
    config = {name: value for name, value in vars(loaded.model.args).items() if value is not None}
    packed = {
        name: {"group_size": module.group_size, "bits": module.bits}
        for name, module in loaded.model.named_modules()
        if hasattr(module, "bits")
    }
    if packed:
        config["quantization"] = {"group_size": BLOCK_SIZE, "bits": 4, **packed}
    config["eos_token_id"] = policy.end_ids
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    tensors = dict(tree_flatten(loaded.model.parameters()))
    mlx.mx.save_safetensors(str(folder / WEIGHTS), tensors, {"format": "mlx"})
    with (folder / WEIGHTS).open("rb") as file:
        os.fsync(file.fileno())


def prove(mlx: Mlx, path: str, folder: Path, dtype: str, origin: Origin) -> dict[str, Any]:
    """Compares every tensor of the file with what the folder holds.

    Raises:
        WorkerError: a value differs by more than rounding to `dtype` explains: float32 holds all of them exactly.
    """
    held = mlx.mx.load(str(folder / WEIGHTS))
    if (folder / ROPE).exists():
        held |= mlx.mx.load(str(folder / ROPE))
    largest, count, weights = 0.0, 0, 0
    for name, kind, shape, offset in gguf_tensors(path):
        tensor = Stored(kind, shape, offset)
        for error, allowed in errors(mlx, path, tensor, held, name, dtype, origin):
            if not error <= allowed:
                message = (
                    f"the conversion changes {name}: a weight differs by {error:.3g}, and {allowed:.3g} is rounding"
                )
                raise WorkerError("failed", message)
            largest = max(largest, error)
        count, weights = count + 1, weights + tensor.rows * shape[0]
    return {
        "tensors_compared": count,
        "weights_compared": weights,
        "dtype": dtype,
        "largest_error": largest,
        "exact": largest == 0.0,
    }


def same_ids(mlx: Mlx, loaded: Loaded, folder: Path) -> None:
    """Raises WorkerError where the folder's tokenizer gives other ids than the file's."""
    held, original = held_tokenizer(mlx, folder, read_policy(folder)), gguf_tokenizer(loaded.metadata)
    for text in SAMPLES:
        if held.encode(text, True) != original.encode(text, True):
            raise WorkerError("failed", f"the converted tokenizer gives other ids for {text!r}")


def errors(
    mlx: Mlx, path: str, tensor: Stored, held: dict[str, Any], name: str, dtype: str, origin: Origin
) -> Iterator[tuple[float, float]]:
    """The largest error of some rows, and the largest that rounding to `dtype` explains there."""
    import numpy as np

    kept = name if name in origin.factors else origin.architecture.mlx_name(name)
    stem, full = kept.removesuffix(".weight"), mlx.mx.float32
    offset = origin.architecture.norm_offset if name.endswith("norm.weight") else 0.0
    step = max(1, CHUNK_WEIGHTS // tensor.shape[0])
    for first in range(0, tensor.rows, step):
        want = values(path, tensor, first, step)
        rows = slice(first, first + len(want))
        reach = np.abs(want)
        if f"{stem}.scales" in held:
            weight, scales, biases = (held[f"{stem}.{part}"][rows] for part in ("weight", "scales", "biases"))
            bits = 32 * weight.shape[1] // tensor.shape[0]
            got = mlx.mx.dequantize(weight, scales.astype(full), biases.astype(full), group_size=BLOCK_SIZE, bits=bits)
            span = mlx.mx.abs(biases.astype(full)) + (2**bits - 1) * mlx.mx.abs(scales.astype(full))
            reach = np.repeat(np.array(span), BLOCK_SIZE, axis=1)
        else:
            got = held[kept].astype(full) + offset
            got = got.reshape(tensor.rows, tensor.shape[0])[rows]
            reach = reach + offset
        apart = np.abs(np.array(got) - want)
        # with an offset, even float32 rounds what is below a half
        allowed = ROUNDING[dtype] * reach * 1.01 + LEAST_STEP[dtype] * 2**8 + offset * 2.0**-24
        worst = int(np.argmax(apart - allowed))
        yield float(apart.flat[worst]), float(np.broadcast_to(allowed, apart.shape).flat[worst])
