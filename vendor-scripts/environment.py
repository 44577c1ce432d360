"""The virtual environment of this clone, and what every step of its set-up needs. Imports the standard library only."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"


def check_room(folder: Path, needed: int, what: str) -> None:
    """Ends with a message where the disk on which a folder lies, or will lie, has less room than `needed` bytes."""
    there = next(part for part in (folder, *folder.parents) if part.exists())
    try:
        free = shutil.disk_usage(there).free
    except OSError:
        return
    if free < needed:
        sys.exit(
            f"{what} takes at least {needed >> 20} MiB more on the disk of {folder}, and {free >> 20} MiB are free.\n"
            "Free some space, or clone parity to a larger disk; TMPDIR=FOLDER says where to compile."
        )


def size_of(folder: Path) -> int:
    """The bytes of all files in a folder; 0 where there is none."""
    return sum((Path(place) / name).lstat().st_size for place, _, names in os.walk(folder) for name in names)


def pip(*arguments: str) -> None:
    done = subprocess.run([PYTHON, "-m", "pip", *arguments], check=False)
    if done.returncode != 0:
        sys.exit(f"pip failed: {' '.join(arguments)}")


def say(line: str) -> None:
    print(line, flush=True)
