"""The page cache of a model's files: what share of them is in memory, and how to bring them in or drop them."""

import ctypes
import mmap
import os
from collections.abc import Sequence
from pathlib import Path

from parity.cgroups import usable_memory_bytes
from parity.hosts.cancel import Cancel
from parity.records import PageCache, PageCachePolicy

ALL = 0.999
"""A share from which on files count as resident: a page or two may be dropped at any time."""
NONE = 0.05
READ_BYTES = 8 << 20
MOST_OF_MEMORY = 0.8
"""Files above this share of the memory that may be used would push one another out, so they are left alone."""


class CannotDropError(Exception):
    """Files can't be dropped from the page cache; the message says why."""


def bring(files: Sequence[Path], wanted: PageCachePolicy, cancel: Cancel | None = None) -> PageCache:
    """Brings files into the wanted state, and says which share of their pages is in memory then. Reading large files
    takes a while; it ends when the user asks to stop.

    Raises:
        CannotDropError: `cold` is wanted, and the system has no way to drop a file, or the files stay in memory.
    """
    try:
        return _brought(files, wanted, cancel)
    except OSError as error:
        return PageCache(state="as-is", reason=f"{error.filename}: {error.strerror}")


def _brought(files: Sequence[Path], wanted: PageCachePolicy, cancel: Cancel | None) -> PageCache:
    size_bytes = sum(file.stat().st_size for file in files)
    if wanted != "as-is" and size_bytes > MOST_OF_MEMORY * usable_memory_bytes():
        share, _ = resident(files)
        return PageCache(state="as-is", resident=share, reason="the model's files don't fit into the machine's memory")
    share, reason = resident(files)
    if wanted == "warm" and (share is None or share < ALL):
        for file in files:
            _read(file, cancel)
        share, reason = resident(files)
    if wanted == "cold":
        for file in files:
            _drop(file)
        share, reason = resident(files)
        if share is None:
            raise CannotDropError(f"whether the model's files are dropped can't be told ({reason})")
        if share > NONE:
            raise CannotDropError(
                f"{share:.0%} of the model's files stay in memory (a different program uses them, "
                "or their file system keeps them there)"
            )
    return PageCache(state=wanted, resident=share, reason=reason)


def resident(files: Sequence[Path]) -> tuple[float | None, str | None]:
    """Share of the files' pages that are in memory, or why it is not known."""
    inside = pages = 0
    for file in files:
        # Linux answers "all of it" for a file that the asking user may not write.
        if not os.access(file, os.W_OK) and file.stat().st_uid != os.geteuid():
            return None, f"the system doesn't tell it of a file of a different user ({file.name})"
        try:
            one_inside, one_pages = _pages(file)
        except (OSError, ValueError) as error:
            return None, f"{file.name}: {error}"
        inside, pages = inside + one_inside, pages + one_pages
    return (round(inside / pages, 4), None) if pages else (None, "there are no pages to look at")


def _pages(file: Path) -> tuple[int, int]:
    """How many pages of a file are in memory, and how many it has; mincore(2) on a mapping that touches none."""
    with file.open("rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        if not size:
            return 0, 0
        mapped = mmap.mmap(opened.fileno(), size, access=mmap.ACCESS_COPY)
    libc = ctypes.CDLL(None, use_errno=True)
    count = -(-size // mmap.PAGESIZE)
    vector = (ctypes.c_ubyte * count)()
    start = ctypes.c_char.from_buffer(mapped)
    try:
        if libc.mincore(ctypes.c_void_p(ctypes.addressof(start)), ctypes.c_size_t(size), vector):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        # The mapping can't be closed while something points into it.
        del start
        mapped.close()
    # The lowest bit of each byte says it; the others have further meanings on macOS.
    data = bytes(vector)
    return sum(data.count(value) for value in set(data) if value & 1), count


def _read(file: Path, cancel: Cancel | None) -> None:
    buffer = bytearray(READ_BYTES)
    with file.open("rb", buffering=0) as opened:
        while (cancel is None or not cancel.count) and opened.readinto(buffer):
            pass


def _drop(file: Path) -> None:
    if not hasattr(os, "posix_fadvise"):
        raise CannotDropError("this system has no way to drop a file from the page cache")
    with file.open("rb") as opened:
        # What is not on disk yet can't be dropped.
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
