"""Writes a transcript as it happens."""

import base64
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from parity.private import for_owner
from parity.records import Record
from parity.redaction import known, redact_json
from parity.transcript.content import Piece
from parity.transcript.masking import MaskedStream
from parity.transcript.packing import sync_folder
from parity.transcript.records import End, Files, Hang, Head, Launched, NoSpawn, Sample, Spawned, Surroundings


class TranscriptWriter:
    """Writes a transcript as it happens, for its owner alone to read. Not thread-safe: one thread writes. `secrets` are
    left out of all that is written, and so are all that the process knows."""

    def __init__(self, path: Path, head: Head, secrets: Iterable[str] = ()) -> None:
        self.path = path
        self._secrets = known() | frozenset(secrets)
        self._streams = {stream: MaskedStream(self._secrets) for stream in ("out", "err")}
        self._file: IO[bytes] = open(path, "xb", opener=for_owner)  # noqa: SIM115 - it stays open
        self._record("head", head)
        self._file.flush()
        sync_folder(path.parent)

    def launch(self, launched: Launched) -> None:
        self._record("launch", launched)

    def before(self, surroundings: Surroundings) -> None:
        self._record("before", surroundings)

    def after(self, surroundings: Surroundings) -> None:
        self._record("after", surroundings)

    def spawn(self, spawned: Spawned) -> None:
        self._record("spawn", spawned)

    def no_spawn(self, no_spawn: NoSpawn) -> None:
        self._record("no_spawn", no_spawn)

    def sample(self, sample: Sample) -> None:
        self._record("sample", sample)

    def hang(self, hang: Hang) -> None:
        self._record("hang", hang)

    def piece(self, piece: Piece) -> None:
        """Text goes in as text. What isn't UTF-8 by itself, or is mostly control characters, goes in as base64."""
        for kept in self._streams[piece.stream].feed(piece) if self._secrets else (piece,):
            self._piece(kept)

    def _piece(self, piece: Piece) -> None:
        at: dict[str, Any] = {"t": piece.t_ns, "s": piece.stream}
        try:
            line = json.dumps(at | {"d": piece.data.decode("utf-8")}, ensure_ascii=False)
        except UnicodeDecodeError:
            line = ""
        if not line or len(line) > 2 * len(piece.data) + _PIECE_FRAME_CHARS:
            line = json.dumps(at | {"b": base64.b64encode(piece.data).decode("ascii")})
        self._write(line)

    def end(self, end: End) -> None:
        for stream in self._streams.values():
            for kept in stream.rest():
                self._piece(kept)
        self._record("end", end)

    def flush(self) -> None:
        """Hands what was written to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Closes the file once all of it is on disk: what was measured must survive a loss of power."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def _record(self, kind: str, record: Record) -> None:
        self._write(f'{{"{kind}":{redact_record(record, self._secrets)}}}')

    def _write(self, line: str) -> None:
        self._file.write(line.encode("utf-8") + b"\n")


_PIECE_FRAME_CHARS = 64


def redact_record(record: Record, secrets: Iterable[str]) -> str:
    """A record as one line of JSON without secrets."""
    text = record.model_dump_json()
    kept = redact_json(text, secrets)
    return text if kept == text else json.dumps(json.loads(kept), ensure_ascii=False)


def add_files(path: Path, files: Files) -> None:
    """Adds to a transcript that is closed how the files of its trial are afterwards, ahead of its last line, so that a
    transcript that ends with `end` has it. Synced to disk."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        start = _last_line(file, size)
        file.seek(start)
        last = file.read()
        file.seek(start)
        file.write(f'{{"files_after":{redact_record(files, known())}}}\n'.encode() + last)
        file.flush()
        os.fsync(file.fileno())


def _last_line(file: IO[bytes], size: int) -> int:
    """Where the last line of a file begins."""
    end = max(size - 1, 0)
    while end > 0:
        start = max(0, end - _BLOCK_BYTES)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


_BLOCK_BYTES = 4096
