"""A whole transcript in memory: its pieces of output, as bytes, text and lines with their arrival."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from parity.transcript.records import End, Files, Head, Launched, NoSpawn, Sample, Spawned, Stream, Surroundings


@dataclass(frozen=True, slots=True)
class Piece:
    """What one read returned, and when."""

    t_ns: int
    stream: Stream
    data: bytes


LINE_END = re.compile(b"\r\n|\n|\r")
"""A carriage return ends a line too: what is written after it takes the line's place on a terminal."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a stream. `t_ns`: when it ended, or when the last byte of an incomplete one arrived; `t_first_ns`:
    when its first byte did. An incomplete last line has no line end behind it. `overwritten`: a carriage return ended
    it, and the next line takes its place."""

    t_ns: int
    t_first_ns: int
    text: str
    complete: bool
    overwritten: bool = False


@dataclass(frozen=True)
class Transcript:
    """A whole transcript in memory. `before` and `after`: the machine around a trial, unknown in old ones."""

    head: Head
    launch: Launched | None = None
    before: Surroundings | None = None
    spawn: Spawned | None = None
    no_spawn: NoSpawn | None = None
    pieces: tuple[Piece, ...] = ()
    samples: tuple[Sample, ...] = ()
    after: Surroundings | None = None
    files_after: Files | None = None
    end: End | None = None

    def data(self, stream: Stream) -> bytes:
        """All bytes of a stream."""
        return b"".join(piece.data for piece in self.pieces if piece.stream == stream)

    def text(self, stream: Stream) -> str:
        """A stream as text; bytes that are no UTF-8 become U+FFFD."""
        return self.data(stream).decode("utf-8", errors="replace")

    def arrival_of(self, stream: Stream, offset: int) -> int | None:
        """When the byte at `offset` of a stream arrived, in ns; None where the stream has no such byte."""
        end = 0
        for piece in self.pieces:
            if piece.stream == stream:
                end += len(piece.data)
                if 0 <= offset < end:
                    return piece.t_ns
        return None

    def text_between(self, stream: Stream, start: int, stop: int) -> Iterator[tuple[int, str]]:
        """The text of the bytes from `start` to before `stop` of a stream: when each read arrived, in ns, and the whole
        characters that it completed. Bytes that are no UTF-8 become U+FFFD."""
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        begin = 0
        last_ns = None
        for piece in self.pieces:
            if piece.stream != stream:
                continue
            part = piece.data[max(0, start - begin) : max(0, stop - begin)]
            begin += len(piece.data)
            if not part:
                continue
            last_ns = piece.t_ns
            if text := decoder.decode(part, final=begin >= stop):
                yield last_ns, text
        # Here the stream ended before `stop`, within a character.
        if last_ns is not None and (rest := decoder.decode(b"", final=True)):
            yield last_ns, rest

    def lines(self, stream: Stream) -> Iterator[Line]:
        """The lines of a stream, each with its arrival: LF, CRLF or CR alone ends one. Invalid UTF-8 becomes
        U+FFFD."""
        held = bytearray()
        t_first = t_last = 0
        returned: Line | None = None  # ended by a CR, of which it is not known yet whether an LF follows
        for piece in self.pieces:
            if piece.stream != stream or not piece.data:
                continue
            begin = 0
            if returned is not None:
                begin = int(piece.data.startswith(b"\n"))
                yield replace(returned, overwritten=not begin)
                returned = None
            for end in LINE_END.finditer(piece.data, begin):
                if not held:
                    t_first = piece.t_ns
                held += piece.data[begin : end.start()]
                begin = end.end()
                line = Line(piece.t_ns, t_first, _line_text(held), complete=True, overwritten=end[0] == b"\r")
                held.clear()
                if line.overwritten and begin == len(piece.data):
                    returned = line
                else:
                    yield line
            if begin < len(piece.data):
                if not held:
                    t_first = piece.t_ns
                held += piece.data[begin:]
                t_last = piece.t_ns
        if returned is not None:
            yield replace(returned, overwritten=False)
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
            for k, part in enumerate(LINE_END.split(piece.data)):
                if k:
                    held.clear()
                held += part
                if regex.search(_line_text(held)):
                    return piece.t_ns
        return None

    def tail(self, count: int = 12) -> tuple[str, ...]:
        """The last lines of both streams in order of arrival, for a message, as a terminal would show them. No more of
        the end is read than holds them: a program may have printed millions of lines."""
        size = _TAIL_BYTES
        while (found := self._tail_within(size, count)) is None:
            size *= 4
        return found

    def _tail_within(self, size: int, count: int) -> tuple[str, ...] | None:
        """The last lines by the last `size` bytes of the output; None where these don't tell."""
        first = len(self.pieces)
        while first > 0 and size > 0:
            first -= 1
            size -= len(self.pieces[first].data)
        end = replace(self, pieces=self.pieces[first:])
        lines = {stream: list(end.lines(stream)) for stream in _STREAMS}
        earlier = []
        if first:
            # Of the first line of each stream, the beginning may be missing here.
            earlier = [found.pop(0).t_ns for found in lines.values() if found] + [self.pieces[first - 1].t_ns]
        both = sorted((line for found in lines.values() for line in found), key=lambda line: line.t_ns)
        shown = [line for line in both if line.text.strip() and not line.overwritten][-count:]
        if first and (len(shown) < count or shown[0].t_ns <= max(earlier)):
            return None
        return tuple(line.text[:400] for line in shown)

    @property
    def valid_utf8(self) -> bool:
        """Whether both streams are UTF-8 throughout."""
        try:
            self.data("out").decode("utf-8")
            self.data("err").decode("utf-8")
        except UnicodeDecodeError:
            return False
        return True


_STREAMS: tuple[Stream, Stream] = ("out", "err")

_TAIL_BYTES = 64 * 1024
"""Of the end of an output, what is read first for its last lines."""


def _line_text(held: bytearray) -> str:
    return held.decode("utf-8", errors="replace")
