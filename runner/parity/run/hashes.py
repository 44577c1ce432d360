"""Content hashes that a run records of what its runtimes chose or were started from: weights and executables."""

import hashlib
import json
from pathlib import Path

from parity.errors import ModelError
from parity.models import Watch, silent
from parity.models.digest import file_sha256
from parity.run.log import RunFolder
from parity.transcript import Transcript

WEIGHTS, EXECUTABLES = "weights.json", "executables.json"


def recorded_weights_sha256(folder: RunFolder, path: str) -> str | None:
    """The hash of a weights file that a runtime chose by itself, as the run recorded it."""
    sha256: str | None = (folder.read_json(WEIGHTS) or {}).get(path)
    return sha256


def record_weights_sha256(folder: RunFolder, path: str, watch: Watch = silent) -> str | None:
    """Records a weights file that a runtime chose by itself, with the hash that it has when the run first meets it.
    None where it can't be hashed. What `watch` raises ends it."""
    known = folder.read_json(WEIGHTS) or {}
    if path not in known:
        try:
            known[path] = file_sha256(Path(path), watch)
        except (OSError, ModelError, ValueError):
            return None
        folder.write(WEIGHTS, json.dumps(known, indent=2) + "\n")
    sha256: str = known[path]
    return sha256


def recorded_weights(folder: RunFolder) -> tuple[str, ...]:
    """The weights files that runtimes of the run chose by themselves so far."""
    return tuple(folder.read_json(WEIGHTS) or ())


def recorded_executables(folder: RunFolder) -> dict[str, dict[str, tuple[str, str | None]]]:
    """Runtime → name → path and sha256 of what was built or launched; empty before anything was."""
    recorded = folder.read_json(EXECUTABLES) or {}
    return {
        runtime: {name: (entry[0], entry[1]) for name, entry in built.items()} for runtime, built in recorded.items()
    }


def record_executable(folder: RunFolder, runtime: str, name: str, path: Path, sha256: str | None = None) -> None:
    """Records a program's file, unless this path of it is recorded already. `sha256`: its hash, if that is known."""
    recorded = recorded_executables(folder)
    mine = recorded.setdefault(runtime, {})
    if str(path) not in {known for known, _ in mine.values()}:
        mine[name if name not in mine else str(path)] = (str(path), sha256 or executable_sha256(path))
        folder.write(EXECUTABLES, json.dumps(recorded, indent=2) + "\n")


def record_program(folder: RunFolder, runtime: str, transcript: Transcript) -> None:
    """Records what was launched: an interpreter, a script or a program that parity didn't build counts too."""
    if transcript.spawn is None or transcript.head.files is None:
        return
    for file in transcript.head.files.programs:
        record_executable(folder, runtime, Path(file.path).name, Path(file.path), file.sha256)


def executable_sha256(path: Path) -> str | None:
    """The sha256 of an executable, read in pieces; None where there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
