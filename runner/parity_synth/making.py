"""Makes a synthetic model in the cache: all its files, or none under the final name."""

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from parity.errors import ModelError
from parity.models import Step, Watch
from parity.room import REMEDY, no_room
from parity_synth.presets import K_QUANTS, PRESETS, Preset
from parity_synth.quantising import quantise
from parity_synth.source import Synthetic
from parity_synth.tensors import Tensor, Weights
from parity_synth.tokenizer import (
    TEMPLATE_WORDS,
    Tokenizer,
    build_tokenizer,
    tokenizer_config_json,
    tokenizer_json,
)
from parity_synth.writing import gguf_bytes, write_gguf

K_QUANT_BYTES_SHARE = 0.42
"""Of the F16 file that a K-quant is made from; Q6_K, the largest, is 0.41 of it."""


def make(model: Synthetic, watch: Watch) -> Path:
    """Makes the model, unless another process made it meanwhile, and returns its path.

    Raises:
        ModelError: the cache can't be written or is too small, or llama.cpp's quantiser is missing or failed.
    """
    try:
        model.folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(model.folder, watch):
            if path := model.locate():
                return path
            with _fresh_folder(model.folder) as folder:
                _make_in(folder, model, watch)
    except OSError as error:
        raise ModelError(
            f"{error.filename or model.folder}: {error.strerror or error}",
            "set PARITY_CACHE to a folder that can be written and has room",
        ) from error
    return model.folder / model.file_name


def _make_in(folder: Path, model: Synthetic, watch: Watch) -> None:
    preset = PRESETS[model.preset]
    watch(Step(f"making the tokenizer of {model.preset}"))
    tokenizer = build_tokenizer(preset.tokens)
    weights = Weights(preset, model.seed, tokenizer.words(), silent_ids(tokenizer, preset))
    tensors = list(weights.tensors())
    _write_json(folder / "tokenizer.json", tokenizer_json(tokenizer))
    _write_json(folder / "tokenizer_config.json", tokenizer_config_json())
    k_quant = model.quant in K_QUANTS
    written_as = "F16" if k_quant else model.quant
    _check_room(folder, tensors, written_as, k_quant=k_quant)
    path = folder / model.file_name
    first = folder / f"{model.preset}-{written_as}.gguf"
    write_gguf(first, preset, written_as, model.seed, tokenizer, tensors, watch)
    if k_quant:
        quantise(first, path, model.quant, len(tensors), watch)
        first.unlink()


def silent_ids(tokenizer: Tokenizer, preset: Preset) -> list[int]:
    """Ids that are never generated: special tokens, padding, and what the chat template wraps messages in."""
    wrapping = {tokenizer.tokens.index(piece) for word in TEMPLATE_WORDS for piece in tokenizer.pieces(word)}
    return sorted(wrapping | set(range(tokenizer.special_from, preset.vocab)))


def _check_room(folder: Path, tensors: list[Tensor], quant: str, k_quant: bool) -> None:
    needed = round(gguf_bytes(tensors, quant) * (1 + K_QUANT_BYTES_SHARE * k_quant))
    if wrong := no_room(folder.parent, needed, "the synthetic model"):
        raise ModelError(wrong, REMEDY)


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


@contextlib.contextmanager
def _alone(folder: Path, watch: Watch) -> Iterator[None]:
    """Holds the lock of `folder`, which the system frees when its holder ends in any way."""
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            watch(Step(f"waiting for another parity that is making {folder.name}"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _fresh_folder(final: Path) -> Iterator[Path]:
    """A folder that gets its final name at the end. Called under `_alone`: what an earlier call left is abandoned."""
    prefix = f".{final.name}.part-"
    for abandoned in final.parent.glob(f"{prefix}*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=final.parent))
    try:
        yield folder
        folder.chmod(0o755)
        shutil.rmtree(final, ignore_errors=True)
        os.rename(folder, final)  # noqa: PTH104
    finally:
        shutil.rmtree(folder, ignore_errors=True)
