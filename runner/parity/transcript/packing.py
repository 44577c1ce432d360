"""Transcripts that take less room: once a run is over, each is kept as `NAME.jsonl.gz` instead of `NAME.jsonl`.

A transcript keeps its name in reports. Whoever opens one by that name gets its bytes, packed or not.
"""

import gzip
import hashlib
import os
import shutil
import zlib
from pathlib import Path
from typing import IO, Final, cast

from parity.private import for_owner

PACKED: Final = ".gz"
UNREADABLE: Final = (OSError, EOFError, zlib.error)
"""What reading raises, also of a packed file that is damaged."""

_LEVEL: Final = 6
_BLOCK_BYTES: Final = 1 << 20


def open_transcript(path: Path) -> IO[bytes]:
    """The bytes of the transcript `path`, as they were written. Where both files are there, a crash came between the
    last two steps of `pack`, and they hold the same.

    Raises:
        OSError: neither is there, or it can't be opened. Reading may raise all of `UNREADABLE`.
    """
    try:
        return path.open("rb")
    except FileNotFoundError:
        packed = packed_path(path)
        if not packed.exists():
            raise
        return _unpacked(packed)


def packed_path(path: Path) -> Path:
    """Where the transcript `path` lies once it is packed."""
    return path.with_name(path.name + PACKED)


def transcripts_in(folder: Path) -> list[Path]:
    """The transcripts in a folder by their names before packing, in no order."""
    names = {name.removesuffix(PACKED) for name in os.listdir(folder)} if folder.is_dir() else ()  # noqa: PTH208
    return [folder / name for name in names if name.endswith(".jsonl") and not name.startswith(".")]


def pack(path: Path) -> None:
    """Packs a transcript that nobody writes any more. It is there as a whole under one of its names at every instant:
    the plain file goes once the packed one is on disk, and gives the same bytes.

    Raises:
        OSError: a file can't be read or written; the plain one stays.
    """
    if not path.exists():
        return
    packed = packed_path(path)
    partial = packed.with_name(f".{packed.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        with path.open("rb") as plain, open(partial, "xb", opener=for_owner) as out:
            os.fchmod(out.fileno(), os.fstat(plain.fileno()).st_mode & 0o777)
            # Neither name nor time: the same transcript gives the same file.
            with gzip.GzipFile("", "wb", _LEVEL, out, mtime=0) as writer:
                shutil.copyfileobj(plain, writer, _BLOCK_BYTES)
            out.flush()
            os.fsync(out.fileno())
        if _sha256(_unpacked(partial)) != _sha256(path.open("rb")):
            raise OSError(None, "its packed form does not give it back", str(path))
        partial.replace(packed)
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(path.parent)
    path.unlink()


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder are on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unpacked(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, "rb"))


def _sha256(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    with file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
