"""Where run folders lie, and how a new one is made."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from parity.private import OWNER_ALONE


def runs_folder() -> Path:
    """Where runs go that are not told where, and where `latest` looks: `$PARITY_RUNS` if set, otherwise `.parity/runs`
    in the working folder. It need not exist."""
    return Path(os.environ.get("PARITY_RUNS") or Path(".parity") / "runs")


def earlier_runs() -> list[Path]:
    """The folders in it, those first whose names say that they began last."""
    folder = runs_folder()
    return sorted(folder.glob("*/"), reverse=True) if folder.is_dir() else []


def made(path: Path) -> bool:
    """Whether the folder was made now; False where something is there already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(OWNER_ALONE)
    except FileExistsError:
        return False
    return True


def make_unused(path: Path) -> Path:
    """Creates the folder, under a name that no run has; two runs that start at once get two folders."""
    k, candidate = 2, path
    while not made(candidate):
        k, candidate = k + 1, path.with_name(f"{path.name}-{k}")
    return candidate


def not_stored(folder: Path) -> Iterator[Path]:
    """What is neither a file nor a folder, at any depth."""
    for parent, _, names in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            with suppress(OSError):
                if not stat.S_ISREG(path.stat().st_mode):
                    yield path


def inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
