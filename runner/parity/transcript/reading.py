"""Reads a transcript back from disk."""

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from parity.errors import RunFolderError
from parity.records import Record
from parity.transcript.content import Piece, Transcript
from parity.transcript.records import TRANSCRIPT_VERSION, End, Head, Launched, NoSpawn, Sample, Spawned


def read_transcript(path: Path) -> Transcript:
    """Reads a transcript back. A last line cut short by a crash is left out.

    Raises:
        RunFolderError: the file is missing, isn't a transcript, or another version wrote it.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise RunFolderError(f"{path}: can't be read ({error.strerror})") from error
    with file:
        return _transcript(path, file)


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
            if kind == "head" and value.get("version") != TRANSCRIPT_VERSION:
                raise RunFolderError(
                    f"{path}: transcript version {value.get('version')}; this parity reads version {TRANSCRIPT_VERSION}"
                )
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


_KINDS: dict[str, type[Record]] = {
    "head": Head,
    "launch": Launched,
    "spawn": Spawned,
    "no_spawn": NoSpawn,
    "sample": Sample,
    "end": End,
}
