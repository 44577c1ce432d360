"""Whether a disk has room for what is about to be written, asked before the first byte of it."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from parity.units import format_value

REMEDY: Final = (
    "free some space (`parity clean` lists what parity keeps), or set PARITY_CACHE to a folder on a larger disk"
)


def free_bytes(folder: Path) -> int:
    """What this user may still write on the disk that `folder` lies on, or will lie on once it is made.

    Raises:
        OSError: the system doesn't tell.
    """
    there = next(part for part in (folder.absolute(), *folder.absolute().parents) if part.exists())
    return shutil.disk_usage(there).free


def held_bytes(folder: Path) -> int:
    """What all files in a folder take on its disk; those that vanish meanwhile take nothing."""
    found = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                found += 512 * os.lstat(Path(place) / name).st_blocks
    return found


def no_room(folder: Path, needed: int, what: str, free: int | None = None) -> str | None:
    """Why `what` does not fit on the disk of `folder`, as a clause; None where it does, or where nobody knows.
    `needed`: bytes. `free`: bytes, where the caller has asked for them."""
    try:
        there = free_bytes(folder) if free is None else free
    except OSError:
        return None
    if there >= needed:
        return None
    return f"{what} needs {in_bytes(needed)} on the disk of {folder}, and {in_bytes(there)} are free"


def in_bytes(count: int) -> str:
    """`1.20 GiB (1,288,490,189 bytes)`: two sizes that differ a little must not read the same."""
    return f"{format_value(count, 'bytes')} ({count:,} bytes)" if count >= 1024 else f"{count:,} bytes"
