"""Writes a transcript as it happens."""

import base64
import json
import os
from pathlib import Path
from typing import IO, Any

from parity.records import Record
from parity.transcript.content import Piece
from parity.transcript.records import End, Files, Head, Launched, NoSpawn, Sample, Spawned, Surroundings


class TranscriptWriter:
    """Writes a transcript as it happens. Not thread-safe: one thread writes."""

    def __init__(self, path: Path, head: Head) -> None:
        self.path = path
        self._file: IO[bytes] = path.open("xb")
        self._record("head", head)
        self._file.flush()
        _sync_folder(path.parent)

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

    def piece(self, piece: Piece) -> None:
        """Text goes in as text. What isn't UTF-8 by itself, or is mostly control characters, goes in as base64."""
        at: dict[str, Any] = {"t": piece.t_ns, "s": piece.stream}
        try:
            line = json.dumps(at | {"d": piece.data.decode("utf-8")}, ensure_ascii=False)
        except UnicodeDecodeError:
            line = ""
        if not line or len(line) > 2 * len(piece.data) + _PIECE_FRAME_CHARS:
            line = json.dumps(at | {"b": base64.b64encode(piece.data).decode("ascii")})
        self._write(line)

    def end(self, end: End) -> None:
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
        self._write(f'{{"{kind}":{record.model_dump_json()}}}')

    def _write(self, line: str) -> None:
        self._file.write(line.encode("utf-8") + b"\n")


_PIECE_FRAME_CHARS = 64


def add_files(path: Path, files: Files) -> None:
    """Adds to a transcript that is closed how the files of its trial are afterwards, ahead of its last line, so that a
    transcript that ends with `end` has it. Synced to disk."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        start = _last_line(file, size)
        file.seek(start)
        last = file.read()
        file.seek(start)
        file.write(f'{{"files_after":{files.model_dump_json()}}}\n'.encode() + last)
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


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
