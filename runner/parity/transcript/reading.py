"""Reads a transcript back from disk."""

import base64
import errno
import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from parity.errors import RunFolderError
from parity.records import Record
from parity.transcript.content import Piece, Transcript
from parity.transcript.records import (
    TRANSCRIPT_VERSION,
    End,
    Files,
    Head,
    Launched,
    NoSpawn,
    Sample,
    Spawned,
    Surroundings,
)


def read_transcript(path: Path, *, head_only: bool = False) -> Transcript:
    """Reads a transcript back, or its first line alone. A last line cut short by a crash is left out.

    Raises:
        RunFolderError: the file is missing, isn't a transcript, or another version wrote it.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise RunFolderError(f"{path}: can't be read ({error.strerror})") from error
    with file:
        return _transcript(path, itertools.islice(file, 1) if head_only else file)


def has_begun(path: Path) -> bool:
    """Whether a transcript has its head: one that parity was killed in the middle of writing says nothing."""
    try:
        with path.open("rb") as file:
            return file.readline().endswith(b"\n")
    except OSError:
        return False


def _transcript(path: Path, lines: Iterable[bytes]) -> Transcript:
    fields: dict[str, Any] = {}
    pieces: list[Piece] = []
    samples: list[Sample] = []
    for number, line in enumerate(lines, start=1):
        if not line.endswith(b"\n"):
            break
        try:
            body = json.loads(line)
            if "t" in body:
                data = base64.b64decode(body["b"]) if "b" in body else body["d"].encode("utf-8")
                pieces.append(Piece(body["t"], body["s"], data))
                continue
            [(kind, value)] = body.items()
            if kind == "head":
                value = _upgraded(path, value)
            elif kind == "no_spawn" and "cause" not in value:
                value = {**value, "cause": _CAUSES.get(value["errno"], "system")}
            record = _KINDS[kind].model_validate_json(json.dumps(value))
        except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
            raise RunFolderError(f"{path}:{number}: not a line of a transcript ({error})") from error
        if isinstance(record, Sample):
            samples.append(record)
        else:
            fields[kind] = record
    if "head" not in fields:
        raise RunFolderError(f"{path}: not a transcript (no head)")
    return Transcript(pieces=tuple(pieces), samples=tuple(samples), **fields)


def _upgraded(path: Path, head: dict[str, Any]) -> dict[str, Any]:
    """The head of a transcript of any version as one of this version. Version 1 had no slot beside its job."""
    version = head.get("version")
    if version not in range(1, TRANSCRIPT_VERSION + 1):
        raise RunFolderError(
            f"{path}: transcript version {version}; this parity reads versions 1 to {TRANSCRIPT_VERSION}"
        )
    job = head.get("job")
    if version == 1 and job is not None:
        slot = {key: job[key] for key in ("runtime", "round", "warmup", "kind") if key in job}
        head = {**head, "slot": {**slot, "model": job["model"]["name"], "test": job["test"]["name"]}}
    return {**head, "version": TRANSCRIPT_VERSION}


_CAUSES = {0: "refused", errno.ECANCELED: "cancelled"}
"""What `errno` stood for in version 1, which had no field for the cause."""

_KINDS: dict[str, type[Record]] = {
    "head": Head,
    "launch": Launched,
    "before": Surroundings,
    "after": Surroundings,
    "spawn": Spawned,
    "no_spawn": NoSpawn,
    "sample": Sample,
    "end": End,
    "files_after": Files,
}
