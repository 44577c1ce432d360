"""F32 files of models in parity's cache: each under the hash of the model that it is made of.

A file is written beside its final place and renamed, so that a killed run leaves nothing that counts; two runs at once
wait for one another; and it is hashed again before it is used.
"""

import os
import tempfile
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from parity.cache import alone, read_json, write_json
from parity.cgroups import free_memory_bytes
from parity.errors import ModelError
from parity.models import content_sha256, file_sha256, model_facts
from parity.models.exact import exact_bytes, not_dequantised, write_exact
from parity.models.gguf_header import Header, read_header
from parity.models.progress import Step, Watch
from parity.records import ModelFacts
from parity.room import REMEDY, free_bytes, in_bytes, no_room

WRITTEN_AS: Final = 1
"""Raise it whenever the file is written differently; those of earlier versions are then made again."""

DISK_MARGIN: Final = 1.05
MEMORY_MARGIN: Final = 1.2
"""What a program needs to compute with the file, as a multiple of its size: weights, keys and values, and logits."""
PROGRAM_BYTES: Final = 256 << 20
"""What it needs for any model: an interpreter and its libraries, and buffers of a fixed size."""
LARGEST_COPIES: Final = 2
"""How many further copies of the largest tensor Candle holds while it loads a model whose embeddings are its output."""


class NoExactError(Exception):
    """There is no F32 file of a model; the message says why."""


class _HeldError(Exception):
    """Another program holds a lock."""


@dataclass(frozen=True)
class Room:
    """Free bytes: on the disk of the cache, and of memory."""

    disk_bytes: int
    memory_bytes: int


def room_of(cache: Path) -> Room:
    """What is free now on this machine."""
    return Room(free_bytes(cache), free_memory_bytes())


RoomOf = Callable[[Path], Room]


def exact_model(model: ModelFacts, cache: Path, watch: Watch, room: RoomOf = room_of) -> ModelFacts:
    """The F32 file of a model, as it lies in the folder `cache`, or newly made there. `watch` may raise, to stop.

    Raises:
        NoExactError: it can't be made, or would not fit this machine.
    """
    if model.format != "gguf":
        raise NoExactError(f"its weights are dequantised from a GGUF file, and {model.path} is a folder")
    final = cache / f"{model.sha256}.gguf"
    try:
        header = read_header(Path(model.path))
        if (unknown := not_dequantised(header)) is not None:
            raise NoExactError(f"its tensors of type {unknown} can't be dequantised to F32")
        cache.mkdir(parents=True, exist_ok=True)
        _check_memory(header, room(cache))
        waiting = Step(f"{model.name}: waiting for another program that makes its F32 file")
        with alone(final, lambda: watch(waiting)):
            return _kept(model, final, watch) or _make(model, header, final, watch, room)
    except OSError as error:
        raise NoExactError(f"{error.filename or final}: {error.strerror or error}") from error
    except ModelError as error:
        raise NoExactError(error.wrong) from error


def _kept(model: ModelFacts, final: Path, watch: Watch) -> ModelFacts | None:
    """An earlier file, if its content is still what was written."""
    record = read_json(_record_of(final))
    if not isinstance(record, dict) or record.get("written_as") != WRITTEN_AS or not final.is_file():
        return None
    try:
        return _facts(model, final, record.get("sha256"), watch)
    except ModelError:
        return None


def _make(model: ModelFacts, header: Header, final: Path, watch: Watch, room: RoomOf) -> ModelFacts:
    final.unlink(missing_ok=True)
    _remove_abandoned(final)
    _check_disk(header, final.parent, room(final.parent))
    descriptor, name = tempfile.mkstemp(prefix=f".{final.name}.part-", dir=final.parent)
    os.close(descriptor)
    partial = Path(name)
    try:
        sha256 = write_exact(Path(model.path), partial, watch)
        if content_sha256(Path(model.path)) != model.sha256:
            raise NoExactError(f"{model.path} was changed while it was dequantised")
        partial.chmod(0o644)
        partial.replace(final)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    write_json(_record_of(final), {"written_as": WRITTEN_AS, "sha256": sha256, "made_of": model.sha256})
    return _facts(model, final, sha256, watch)


def _remove_abandoned(final: Path) -> None:
    """Removes the parts that killed runs left of any model: those whose lock nobody holds. That of `final` is held
    here."""
    for part in final.parent.glob(".*.gguf.part-*"):
        made = part.with_name(part.name.removeprefix(".").partition(".part-")[0])
        with suppress(OSError, _HeldError), nullcontext() if made == final else alone(made, _give_up):
            part.unlink(missing_ok=True)


def _give_up() -> None:
    raise _HeldError


def _facts(model: ModelFacts, final: Path, sha256: Any, watch: Watch) -> ModelFacts:
    """Of the file at `final`, whose content is hashed.

    Raises:
        ModelError: it is not what `sha256` says.
    """
    if file_sha256(final, watch, fresh=True) != sha256:
        raise ModelError(f"{final}: it is not what was written", "remove it")
    return model_facts(model.name, model.title, str(final), base=final.parent)


def _check_disk(header: Header, cache: Path, room: Room) -> None:
    needed = round(DISK_MARGIN * exact_bytes(header))
    if wrong := no_room(cache, needed, "its F32 file", room.disk_bytes):
        raise NoExactError(f"{wrong}; {REMEDY}")


def memory_bytes(header: Header) -> int:
    """What must be available to compute with the F32 file."""
    largest = max(4 * tensor.elements for tensor in header.tensors)
    return round(MEMORY_MARGIN * exact_bytes(header)) + LARGEST_COPIES * largest + PROGRAM_BYTES


def _check_memory(header: Header, room: Room) -> None:
    needed = memory_bytes(header)
    if room.memory_bytes < needed:
        free = in_bytes(room.memory_bytes)
        raise NoExactError(f"computing with its F32 file needs {in_bytes(needed)} of memory, and {free} are available")


def _record_of(final: Path) -> Path:
    return final.with_suffix(".json")
