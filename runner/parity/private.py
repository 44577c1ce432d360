"""Files for their owner alone."""

import os
from collections.abc import Iterable
from pathlib import Path

OWNER_ALONE = 0o700
"""The mode of a folder that nobody else may look into."""


def for_owner(path: str, flags: int) -> int:
    """Opens a file that nobody else may read, and never through a link; what `open` takes as its opener."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def write_private(path: Path, text: str) -> None:
    """Writes a new file, in place of one that may be there already."""
    write_private_pieces(path, (text,))


def write_private_pieces(path: Path, pieces: Iterable[str]) -> None:
    """The same of a text that comes in pieces."""
    path.unlink(missing_ok=True)
    with open(path, "x", encoding="utf-8", opener=for_owner) as file:
        file.writelines(pieces)
