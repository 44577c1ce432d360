"""Reads a transcript back from disk."""

import base64
import errno
import itertools
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from parity.errors import RunFolderError
from parity.records import Record
from parity.transcript.content import Piece, Transcript
from parity.transcript.packing import UNREADABLE, open_transcript
from parity.transcript.records import (
    TRANSCRIPT_VERSION,
    End,
    Files,
    Hang,
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
    with _named(path), open_transcript(path) as file:
        found = _transcript(path, itertools.islice(file, 1) if head_only else file)
    if found is None:
        raise RunFolderError(f"{path}: not a transcript (no head)")
    return found


def read_begun(path: Path) -> Transcript | None:
    """The transcript `path`; None where there is no such file, or parity was killed while it wrote its head, so that it
    says nothing.

    Raises:
        RunFolderError: it can't be read, isn't a transcript, or another version wrote it.
    """
    with _named(path):
        try:
            file = open_transcript(path)
        except FileNotFoundError:
            return None
        with file:
            return _transcript(path, file)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Makes what reading a transcript raises a RunFolderError that names it."""
    try:
        yield
    except UNREADABLE as error:
        why = (isinstance(error, OSError) and error.strerror) or error
        raise RunFolderError(f"{path}: can't be read ({why})") from error


def _transcript(path: Path, lines: Iterable[bytes]) -> Transcript | None:
    """None where not even the first line is whole."""
    fields: dict[str, Any] = {}
    pieces: list[Piece] = []
    samples: list[Sample] = []
    for number, line in enumerate(lines, start=1):
        if not line.endswith(b"\n"):
            break
        try:
            body = from_json(line)
            if "t" in body:
                data = base64.b64decode(body["b"]) if "b" in body else body["d"].encode("utf-8")
                pieces.append(Piece(body["t"], body["s"], data))
                continue
            [(kind, value)] = body.items()
            now = _upgraded(path, value) if kind == "head" else _with_cause(value) if kind == "no_spawn" else value
            record = _KINDS[kind].model_validate_json(_value_of(line) if now is value else json.dumps(now))
        except (ValueError, KeyError, TypeError, AttributeError, ValidationError, RecursionError) as error:
            raise RunFolderError(f"{path}:{number}: not a line of a transcript ({error})") from error
        if isinstance(record, Sample):
            samples.append(record)
        else:
            fields[kind] = record
    if not (fields or pieces or samples):
        return None
    if "head" not in fields:
        raise RunFolderError(f"{path}: not a transcript (no head)")
    return Transcript(pieces=tuple(pieces), samples=tuple(samples), **fields)


def _value_of(line: bytes) -> bytes:
    """Of a line `{"KIND":VALUE}`, the value as it was written."""
    return line[line.index(b":") + 1 : line.rindex(b"}")]


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
    return head if version == TRANSCRIPT_VERSION else {**head, "version": TRANSCRIPT_VERSION}


def _with_cause(no_spawn: dict[str, Any]) -> dict[str, Any]:
    """A record of any version as one of this version."""
    return no_spawn if "cause" in no_spawn else {**no_spawn, "cause": _CAUSES.get(no_spawn["errno"], "system")}


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
    "hang": Hang,
    "end": End,
    "files_after": Files,
}
