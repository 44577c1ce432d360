"""A whole transcript in memory: its pieces of output, as bytes, text and lines with their arrival."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from parity.bounded.lines import LINE_END, search_end
from parity.transcript.records import End, Files, Hang, Head, Launched, NoSpawn, Sample, Spawned, Stream, Surroundings


@dataclass(frozen=True, slots=True)
class Piece:
    """What one read returned, and when."""

    t_ns: int
    stream: Stream
    data: bytes


_WITH_LINE_END = re.compile(b"(\r\n|\n|\r)")


class Line(NamedTuple):
    """One line of a stream. `t_ns`: when it ended, or when the last byte of an incomplete one arrived; `t_first_ns`:
    when its first byte did. An incomplete last line has no line end behind it. `overwritten`: a carriage return ended
    it, and the next line takes its place. `number` counts from 1."""

    t_ns: int
    t_first_ns: int
    text: str
    complete: bool
    overwritten: bool = False
    number: int = 0


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
    hang: Hang | None = None
    files_after: Files | None = None
    end: End | None = None
    _tails: dict[int, tuple[str, ...]] = field(default_factory=dict, init=False, compare=False, repr=False)

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

    def lines(self, stream: Stream, *, blank: bool = True) -> Iterator[Line]:
        """The lines of a stream, each with its arrival: LF, CRLF or CR alone ends one. Invalid UTF-8 becomes
        U+FFFD. Without `blank`, empty lines are counted only: a program may print millions of them."""
        held: list[bytes] = []
        t_first = t_last = number = 0
        returned: Line | None = None  # ended by a CR, of which it is not known yet whether an LF follows
        for piece in self.pieces:
            if piece.stream != stream or not piece.data:
                continue
            data, t_last = piece.data, piece.t_ns
            if returned is not None:
                is_crlf = data.startswith(b"\n")
                yield returned._replace(overwritten=not is_crlf)
                data, returned = data[is_crlf:], None
            *ended, rest = _WITH_LINE_END.split(data)
            for k in range(0, len(ended), 2):
                part, line_end = ended[k], ended[k + 1]
                number += 1
                may_go_on = line_end == b"\r" and not rest and k == len(ended) - 2
                if not (part or held or blank or may_go_on):
                    continue
                text = (b"".join((*held, part)) if held else part).decode("utf-8", errors="replace")
                line = Line(t_last, t_first if held else t_last, text, True, line_end == b"\r", number)
                held.clear()
                if may_go_on:
                    returned = line
                else:
                    yield line
            if rest:
                t_first = t_first if held else t_last
                held.append(rest)
        if returned is not None:
            yield returned._replace(overwritten=False)
        if held:
            yield Line(t_last, t_first, b"".join(held).decode("utf-8", errors="replace"), False, number=number + 1)

    def find(self, pattern: str, stream: Stream, *, last: bool = False) -> tuple[Line, re.Match[str]] | None:
        """The first (or last) line of a stream in which `pattern` is found, or None."""
        regex = re.compile(pattern)
        found = missed = None
        for line in self.lines(stream, blank=regex.search("") is not None):
            if line.text == missed:
                continue  # a program may print a line a million times
            match = regex.search(line.text)
            if match is None:
                missed = line.text
            else:
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
            *ended, rest = LINE_END.split(piece.data)
            for part in ended:
                held += part
                if regex.search(held.decode("utf-8", errors="replace")):
                    return piece.t_ns
                held.clear()
            held += rest
            if rest and search_end(regex, held, len(rest)):
                return piece.t_ns
        return None

    def tail(self, count: int = 12, *, only: Stream | None = None) -> tuple[str, ...]:
        """The last lines of both streams in order of arrival, or of one alone, for a message, as a terminal would show
        them. No more of the end is read than holds them: a program may have printed millions of lines."""
        if only is not None:
            return replace(self, pieces=tuple(piece for piece in self.pieces if piece.stream == only)).tail(count)
        size = _TAIL_BYTES
        while count not in self._tails:
            if (found := self._tail_within(size, count)) is not None:
                self._tails[count] = found
            size *= 4
        return self._tails[count]

    def _tail_within(self, size: int, count: int) -> tuple[str, ...] | None:
        """The last lines by the last `size` bytes of the output; None where these don't tell. Beyond
        `_MOST_TAIL_BYTES`, what is found is all that is shown."""
        first, left = len(self.pieces), size
        while first > 0 and left > 0:
            first -= 1
            left -= len(self.pieces[first].data)
        end = replace(self, pieces=self.pieces[first:])
        lines = {stream: list(end.lines(stream, blank=False)) for stream in _STREAMS}
        cut: list[Line] = []
        earlier: list[int] = []
        if first:
            # Of the first line of each stream, the beginning may be missing here.
            cut = [found.pop(0) for found in lines.values() if found and found[0].number == 1]
            openings = [next((p for p in end.pieces if p.stream == stream and p.data), None) for stream in _STREAMS]
            # Where a line end is the first of a stream here, a line ends with it that is not among these.
            ended = [piece.t_ns for piece in openings if piece is not None and piece.data.startswith((b"\n", b"\r"))]
            earlier = [*(line.t_ns for line in cut), *ended, self.pieces[first - 1].t_ns]
        both = sorted((line for found in lines.values() for line in found), key=lambda line: line.t_ns)
        shown = [line for line in both if line.text.strip() and not line.overwritten][-count:]
        if first and (len(shown) < count or shown[0].t_ns <= max(earlier)):
            if size < _MOST_TAIL_BYTES:
                return None
            if not shown:
                return tuple(f"…{line.text[-_TAIL_CHARS:]}" for line in cut if line.text.strip())
        return tuple(line.text[:_TAIL_CHARS] for line in shown)

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

_MOST_TAIL_BYTES = 1024 * 1024
"""And what is read at most: a program may end with millions of empty lines, or with one line without an end."""

_TAIL_CHARS = 400
