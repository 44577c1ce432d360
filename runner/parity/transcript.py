"""The transcript of one process on disk: what it was asked, what it wrote and when, and how it ended.

A JSON-lines file that grows while the process runs, so a killed run keeps what it saw. The lines, in order: `head`,
then `launch`, then `spawn` (or `no_spawn`), then pieces of output and samples as they come, then `end`.
Every instant is in ns of the system's monotonic clock.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from pydantic import ValidationError

from parity.errors import RunFolderError
from parity.records import Job, Record

TRANSCRIPT_VERSION = 1

Stream = Literal["out", "err"]
EndedBy = Literal[
    "exit",
    "stop",
    "fail",
    "deadline:load",
    "deadline:first-token",
    "deadline:total",
    "stall",
    "output-limit",
    "cancel",
]


class Head(Record):
    """Why the process was started. `job` is there for trials only."""

    version: int = TRANSCRIPT_VERSION
    purpose: Literal["trial", "probe", "build"]
    runtime: str
    job: Job | None = None


class Launched(Record):
    """What was started. Values of environment variables that look like secrets are left out."""

    argv: tuple[str, ...]
    cwd: str | None = None
    env: dict[str, str]


class Spawned(Record):
    """When, and as which process. `wall` is ISO 8601, UTC."""

    t_ns: int
    pid: int
    wall: str


class NoSpawn(Record):
    """The operating system's reason for not starting it."""

    t_ns: int
    errno: int
    message: str


class Sample(Record):
    """Memory and CPU time of the process tree at one instant."""

    t_ns: int
    rss_bytes: int
    cpu_s: float


class End(Record):
    """How it ended. `t_ns` is the instant of what `by` names: the exit, the arrival of a stop or fail marker, the
    deadline; `by` is what parity saw first, `signals` what it had to send. Exactly one of `exit_code` and `signal` is
    there, unless the process could not be reaped in time."""

    t_ns: int
    by: EndedBy
    exit_code: int | None = None
    signal: int | None = None
    signals: tuple[str, ...] = ()
    peak_rss_bytes: int | None = None
    cpu_s: float | None = None
    left_behind: int = 0
    oom: bool = False
    dropped_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """What one read returned, and when."""

    t_ns: int
    stream: Stream
    data: bytes


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a stream. `t_ns`: when its last byte arrived; `t_first_ns`: its first. An incomplete last line has
    no newline behind it."""

    t_ns: int
    t_first_ns: int
    text: str
    complete: bool


@dataclass(frozen=True)
class Transcript:
    """A whole transcript in memory."""

    head: Head
    launch: Launched | None = None
    spawn: Spawned | None = None
    no_spawn: NoSpawn | None = None
    pieces: tuple[Piece, ...] = ()
    samples: tuple[Sample, ...] = ()
    end: End | None = None

    def data(self, stream: Stream) -> bytes:
        """All bytes of a stream."""
        return b"".join(piece.data for piece in self.pieces if piece.stream == stream)

    def text(self, stream: Stream) -> str:
        """A stream as text; bytes that are no UTF-8 become U+FFFD."""
        return self.data(stream).decode("utf-8", errors="replace")

    def lines(self, stream: Stream) -> Iterator[Line]:
        """The lines of a stream, each with its arrival. Invalid UTF-8 becomes U+FFFD."""
        held = bytearray()
        t_first = t_last = 0
        for piece in self.pieces:
            if piece.stream != stream:
                continue
            parts = piece.data.split(b"\n")
            for k, part in enumerate(parts):
                if not held:
                    t_first = piece.t_ns
                held += part
                t_last = piece.t_ns
                if k < len(parts) - 1:
                    yield Line(piece.t_ns, t_first, _line_text(held), complete=True)
                    held.clear()
        if held:
            yield Line(t_last, t_first, _line_text(held), complete=False)

    def find(self, pattern: str, stream: Stream, *, last: bool = False) -> tuple[Line, re.Match[str]] | None:
        """The first (or last) line of a stream in which `pattern` is found, or None."""
        regex = re.compile(pattern)
        found = None
        for line in self.lines(stream):
            match = regex.search(line.text)
            if match:
                found = (line, match)
                if not last:
                    break
        return found

    def first_sight(self, pattern: str, stream: Stream, *, partial: bool = False) -> int | None:
        """When `pattern` was first there to be found in a line of a stream, or None. With `partial` a line counts
        before its newline has come, from the read that completes the match."""
        if not partial:
            found = self.find(pattern, stream)
            return found[0].t_ns if found else None
        regex = re.compile(pattern)
        held = bytearray()
        for piece in self.pieces:
            if piece.stream != stream:
                continue
            for k, part in enumerate(piece.data.split(b"\n")):
                if k:
                    held.clear()
                held += part
                if regex.search(_line_text(held)):
                    return piece.t_ns
        return None

    def tail(self, count: int = 12) -> tuple[str, ...]:
        """The last lines of both streams in order of arrival, for a message."""
        both = sorted((line for stream in ("out", "err") for line in self.lines(stream)), key=lambda line: line.t_ns)
        return tuple(line.text[:400] for line in both if line.text.strip())[-count:]

    @property
    def valid_utf8(self) -> bool:
        """Whether both streams are UTF-8 throughout."""
        try:
            self.data("out").decode("utf-8")
            self.data("err").decode("utf-8")
        except UnicodeDecodeError:
            return False
        return True


def _line_text(held: bytearray) -> str:
    return held.decode("utf-8", errors="replace").removesuffix("\r")


class TranscriptWriter:
    """Writes a transcript as it happens. Not thread-safe: one thread writes."""

    def __init__(self, path: Path, head: Head) -> None:
        self.path = path
        self._file: IO[bytes] = path.open("xb")
        self._record("head", head)
        self._file.flush()

    def launch(self, launched: Launched) -> None:
        self._record("launch", launched)

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
        self._file.flush()

    def flush(self) -> None:
        """Hands what was written to the operating system."""
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _record(self, kind: str, record: Record) -> None:
        self._write(f'{{"{kind}":{record.model_dump_json()}}}')

    def _write(self, line: str) -> None:
        self._file.write(line.encode("utf-8") + b"\n")


_PIECE_FRAME_CHARS = 64


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
