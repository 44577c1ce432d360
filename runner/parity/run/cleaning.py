"""What parity keeps on disk, and removing what the user chose of it: caches and old runs.

Only folders that parity makes are looked at: those of `CACHES` in its cache folder, and run folders in one folder.
Symbolic links are neither followed nor removed. What is removed loses its name first, while nobody uses it, so that
nothing is left half under the name that counts.
"""

import json
import math
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from parity.cache import InUseError, unused
from parity.errors import RunFolderError
from parity.records import Record
from parity.run.log import RunFolder

CACHES: Final = {
    "candle": "compiled Candle programs",
    "converted": "models converted for a runtime",
    "digests": "hashes of files",
    "exact": "F32 files of the exact arm",
    "facts": "what headers of models say",
    "history": "indexes of runs",
    "proofs": "proofs on tiny models",
    "synth": "synthetic models",
    "tokenizers": "rebuilt tokenizers",
    "wheels": "compiled wheels for `make`",
}
"""Name of a folder in the cache → what is in it. All of it is made again when it is needed."""

DAY_S: Final = 24 * 3600
REMOVED: Final = re.compile(r"\..+\.removed-by-parity-[0-9]+")
"""The name of what is being removed: a clean that was killed leaves it, and the next one takes it away."""


class Kept(Record):
    """A cache or a run on disk. `entries`: files and folders in it. `age_s`: since anything in a cache was written, or
    since the run ended. `outcome`: of one that was chosen, once it was to be removed."""

    kind: Literal["cache", "run"]
    name: str
    path: str
    entries: int
    size_bytes: int = Field(description="on disk; a file with two names counts once")
    age_s: float
    chosen: bool = False
    outcome: str | None = None


def listed(cache: Path, runs: Path, *, caches: Sequence[str], older_than_days: float | None) -> list[Kept]:
    """The caches and the runs that are there. `caches`: the names of those that are chosen; `older_than_days`: runs
    that ended longer ago are chosen, none without it."""
    found = [_of_cache(cache / name).but(chosen=name in caches) for name in CACHES if _is_folder(cache / name)]
    least_s = math.inf if older_than_days is None else older_than_days * DAY_S
    return [*found, *(run.but(chosen=run.age_s > least_s) for run in map(_of_run, _runs_in(runs)))]


def remove(kept: Sequence[Kept], cache: Path) -> Iterator[Kept]:
    """Removes what is chosen, and gives everything back with its outcome."""
    for one in kept:
        if one.chosen:
            path = Path(one.path)
            yield one.but(outcome=_remove_cache(path, cache) if one.kind == "cache" else _remove_run(path))
        else:
            yield one


def _remove_cache(path: Path, cache: Path) -> str:
    try:
        with unused(cache):
            gone = [_renamed(entry) for entry in sorted(path.iterdir())]
    except InUseError as error:
        return f"left: {error}"
    except OSError as error:
        return f"left: {error.filename}: {error.strerror}"
    return _all_gone(gone)


def _remove_run(path: Path) -> str:
    try:
        with RunFolder(path).held(sure=True):
            gone = _renamed(path)
    except RunFolderError:
        return "left: a parity is at work in it"
    except OSError as error:
        return f"left: {error.filename or 'whether it is in use'}: {error.strerror}"
    return _all_gone([gone])


def _renamed(path: Path) -> Path:
    """The same under a name that nobody reads."""
    if REMOVED.fullmatch(path.name):
        return path
    return path.rename(path.with_name(f".{path.name}.removed-by-parity-{os.getpid()}"))


def _all_gone(paths: Sequence[Path]) -> str:
    for path in paths:
        try:
            # A link is removed itself: what it leads to is not parity's.
            if path.is_symlink() or not path.is_dir():
                path.unlink()
            else:
                shutil.rmtree(path)
        except OSError as error:
            return f"left in part: {error.filename}: {error.strerror}"
    return "removed"


def _of_cache(path: Path) -> Kept:
    entries = [entry for entry in path.iterdir() if not entry.name.endswith(".lock")]
    size, newest = _measured(path)
    return Kept(
        kind="cache",
        name=path.name,
        path=str(path),
        entries=len(entries),
        size_bytes=size,
        age_s=max(0.0, time.time() - newest),
    )


def _of_run(path: Path) -> Kept:
    size, newest = _measured(path)
    age_s = RunFolder(path).ended_s_ago
    # Reports may be written long after the run.
    for name in ("end.json", "results.jsonl", "run.json"):
        with suppress(OSError):
            newest = (path / name).stat().st_mtime
            break
    return Kept(
        kind="run",
        name=path.name,
        path=str(path),
        entries=sum(1 for _ in path.iterdir()),
        size_bytes=size,
        age_s=max(0.0, time.time() - newest) if age_s is None else age_s,
    )


def _runs_in(folder: Path) -> list[Path]:
    """The run folders in a folder, and what is left of those that were being removed."""
    if not folder.is_dir():
        return []
    return [
        path
        for path in sorted(folder.iterdir())
        if _is_folder(path) and (REMOVED.fullmatch(path.name) or _is_run(path))
    ]


def _is_run(path: Path) -> bool:
    """Whether parity made it: other tools have files of that name, too."""
    try:
        found = json.loads((path / "run.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and {"parity_version", "loaded"} <= found.keys() and (path / "trials").is_dir()


def _is_folder(path: Path) -> bool:
    """Whether it is one itself, and not a link to one."""
    return path.is_dir() and not path.is_symlink()


def _measured(folder: Path) -> tuple[int, float]:
    """The bytes that everything in a folder takes on disk, and when any of it was last written, in s since 1970. What
    vanishes meanwhile counts nothing."""
    size, newest, seen = 0, 0.0, set()
    for place, _, names in os.walk(folder):
        for name in (".", *names):
            with suppress(OSError):
                found = os.lstat(Path(place) / name)
                if (found.st_dev, found.st_ino) in seen:
                    continue
                seen.add((found.st_dev, found.st_ino))
                size += 512 * found.st_blocks
                if stat.S_ISREG(found.st_mode) and not name.endswith(".lock"):
                    newest = max(newest, found.st_mtime)
    return size, newest or folder.stat().st_mtime
