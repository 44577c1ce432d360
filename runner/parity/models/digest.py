"""Content hashes of model files: streamed, and kept in the cache until the file's size or mtime changes."""

import hashlib
import stat
from collections.abc import Iterable
from pathlib import Path

from parity.cache import cache_folder, read_json, write_json
from parity.errors import ModelError
from parity.models.progress import Step, Watch

CHUNK_BYTES = 4 * 1024 * 1024


def file_sha256(path: Path, watch: Watch) -> str:
    """Hex sha256 of a file's content.

    Raises:
        ModelError: it is not a regular file, it can't be read, or it changed while it was read.
    """
    try:
        # A pipe or a device such as /dev/zero may have no end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise ModelError(f"{path}: not a regular file", "name a file, not a folder, pipe or device")
        key = _key(path)
        remembered = _record_of(path)
        known = read_json(remembered)
        if isinstance(known, dict) and known.get("key") == key and _is_sha256(known.get("sha256")):
            return str(known["sha256"])
        digest = _stream(path, watch)
        if _key(path) != key:
            raise ModelError(
                f"{path}: it changed while it was being hashed", "wait until the program that writes it has finished"
            )
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}", "make the file readable") from error
    except ValueError as error:
        raise ModelError(f"{str(path)!r} is not a path: {error}", "name a file") from error
    write_json(remembered, {"key": key, "sha256": digest})
    return digest


def files_sha256(folder: Path, files: Iterable[Path], watch: Watch) -> str:
    """One hash for files of a folder: that of the list which `sha256sum` prints for them, sorted by name."""
    listing = "".join(f"{file_sha256(file, watch)}  {file.relative_to(folder).as_posix()}\n" for file in sorted(files))
    return hashlib.sha256(listing.encode()).hexdigest()


def _key(path: Path) -> list[str | int]:
    status = path.stat()
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]


def _record_of(path: Path) -> Path:
    return cache_folder() / "digests" / f"{hashlib.sha256(str(path.resolve()).encode()).hexdigest()}.json"


def _is_sha256(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64


def _stream(path: Path, watch: Watch) -> str:
    digest = hashlib.sha256()
    total = path.stat().st_size
    done = 0
    buffer = memoryview(bytearray(CHUNK_BYTES))
    with path.open("rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            digest.update(buffer[:count])
            done += count
            watch(Step(f"hashing {path.name}", done, total))
    return digest.hexdigest()
