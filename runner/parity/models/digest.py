"""Content hashes of files: streamed, and kept until anything changes that the system knows of the file."""

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from parity.cache import cache_folder, read_json, write_json
from parity.errors import ModelError
from parity.models.progress import Step, Watch

CHUNK_BYTES = 4 * 1024 * 1024


_kept: dict[str, tuple[str, str]] = {}
"""File → its stamp and hash, for a cache folder that can't be written."""


def stamp_of(path: Path) -> str:
    """What the system knows of a file: it changes whenever the content does, also where size and mtime are set back.

    Raises:
        OSError: there is no such file.
    """
    status = path.stat()
    known = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev)
    return ":".join(map(str, known))


def file_sha256(path: Path, watch: Watch, *, fresh: bool = False) -> str:
    """Hex sha256 of a file's content. `fresh`: read it, whatever is remembered of it.

    Raises:
        ModelError: it is not a regular file, it can't be read, or it changed while it was read.
    """
    try:
        # A pipe or a device such as /dev/zero may have no end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise ModelError(f"{path}: not a regular file", "name a file, not a folder, pipe or device")
        stamp, name = stamp_of(path), str(path.resolve())
        remembered = _record_of(name)
        if not fresh and (found := _remembered(name, stamp, remembered)) is not None:
            return found
        digest = _stream(path, watch)
        if stamp_of(path) != stamp:
            raise ModelError(
                f"{path}: it changed while it was being hashed", "wait until the program that writes it has finished"
            )
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}", "make the file readable") from error
    except ValueError as error:
        raise ModelError(f"{str(path)!r} is not a path: {error}", "name a file") from error
    _kept[name] = (stamp, digest)
    write_json(remembered, {"key": [name, stamp], "sha256": digest})
    return digest


def files_sha256(folder: Path, files: Iterable[Path], watch: Watch, *, fresh: bool = False) -> str:
    """One hash for files of a folder: that of the list which `sha256sum` prints for them, sorted by name."""
    listing = "".join(
        f"{file_sha256(file, watch, fresh=fresh)}  {file.relative_to(folder).as_posix()}\n" for file in sorted(files)
    )
    return hashlib.sha256(listing.encode()).hexdigest()


def _remembered(name: str, stamp: str, record: Path) -> str | None:
    if name in _kept and _kept[name][0] == stamp:
        return _kept[name][1]
    known = read_json(record)
    if isinstance(known, dict) and known.get("key") == [name, stamp] and _is_sha256(known.get("sha256")):
        return str(known["sha256"])
    return None


def _record_of(name: str) -> Path:
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    return cache_folder() / "digests" / f"{digest}.json"


def _is_sha256(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64


def _stream(path: Path, watch: Watch) -> str:
    digest = hashlib.sha256()
    total = path.stat().st_size
    done = 0
    buffer = memoryview(bytearray(CHUNK_BYTES))
    # A pipe that took the file's place in between must not keep parity waiting.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(None, "not a regular file")
        while count := stream.readinto(buffer):
            digest.update(buffer[:count])
            done += count
            watch(Step(f"hashing {path.name}", done, total))
    return digest.hexdigest()
