"""A transcript read line by line, to tell from which line of a read an event came. Pure.

What one read returned may hold many lines, and all of them arrived at one instant. Here each is given an instant of its
own, a few nanoseconds apart, so that the stamp of an event that an adapter derives from a line names the line.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace

from parity.transcript import LINE_END, Piece, Stream, Transcript


@dataclass(frozen=True)
class Part:
    """A piece of output within one line. `read`: the place of the read that returned it among the transcript's pieces.
    `line`: the line of its stream, counted from 1."""

    read: int
    stream: Stream
    line: int
    text: str


@dataclass(frozen=True)
class Unfolded:
    """`transcript`: the same output, one line a read. `parts`: instant in it → what was read then."""

    transcript: Transcript
    parts: Mapping[int, Part]


def unfold(transcript: Transcript) -> Unfolded:
    """Gives each line of each read an instant of its own, not before that of the read."""
    pieces: list[Piece] = []
    parts: dict[int, Part] = {}
    lines: dict[Stream, int] = {"out": 1, "err": 1}
    last_ns = 0
    for place, piece in enumerate(transcript.pieces):
        for data in _lines(piece.data):
            last_ns = max(piece.t_ns, last_ns + 1)
            text = data.decode("utf-8", errors="replace").rstrip("\r\n")
            parts[last_ns] = Part(place, piece.stream, lines[piece.stream], text)
            pieces.append(Piece(last_ns, piece.stream, data))
            lines[piece.stream] += data.endswith((b"\n", b"\r"))
    return Unfolded(replace(transcript, pieces=tuple(pieces)), parts)


def _lines(data: bytes) -> list[bytes]:
    """The bytes, cut behind each end of a line."""
    ends = [match.end() for match in LINE_END.finditer(data)]
    bounds = [0, *ends, *([len(data)] if not ends or ends[-1] < len(data) else [])]
    return [data[start:stop] for start, stop in itertools.pairwise(bounds)]
