"""A transcript with its output damaged, as a program that dies or a console that interferes may leave it. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import accumulate

from parity.transcript import Piece, Stream, Transcript

MOST_CUTS = 3000
"""Places at which an output is cut. A longer output is cut at all places near its ends, and at some between."""

AT_ENDS = 500
"""Bytes at each end of a longer output that count as near."""

HUGE = 300_000
"""Bytes of a line that is longer than any program's own."""

GARBAGE = {
    "a line of random bytes": b"\x9d\x01\xfe%s{\xc3(\xa0\xa1 %n ]}\xff\n",
    "a line of NUL bytes": b"\0\0\0\0\0\0\0\0\n",
    "a huge line": b"x" * HUGE + b"\n",
    "a line of ANSI escapes": b"\x1b[2K\x1b[31;1m\x1b]0;title\x07\x1b[0m\n",
    "a character that is cut off": b"\xe2\x82\n",
    "empty lines": b"\n\r\n\n",
    "JSON that is no event": b'{"ev": 7, "t_ns": "now", "deep": ' + b"[" * 2000 + b"]" * 2000 + b"}\n",
}
"""What other programs, libraries and consoles put among the output."""


def cuts(transcript: Transcript, stream: Stream) -> Iterator[tuple[int, Transcript]]:
    """The transcript with a stream cut off after so many bytes, for every place, or for `MOST_CUTS` of a long one."""
    size = len(transcript.data(stream))
    if size <= MOST_CUTS:
        places = list(range(size))
    else:
        step = max(1, (size - 2 * AT_ENDS) // (MOST_CUTS - 2 * AT_ENDS))
        places = sorted({*range(AT_ENDS), *range(AT_ENDS, size - AT_ENDS, step), *range(size - AT_ENDS, size)})
    for place in places:
        yield place, replace(transcript, pieces=tuple(_until(transcript, stream, place)))


def _until(transcript: Transcript, stream: Stream, size: int) -> Iterator[Piece]:
    left = size
    for piece in transcript.pieces:
        if piece.stream != stream:
            yield piece
        elif left > 0:
            yield replace(piece, data=piece.data[:left])
            left -= len(piece.data)


def split(transcript: Transcript) -> Transcript:
    """The same bytes at the same instants, in reads of one byte each: characters and lines are cut."""
    pieces = (replace(piece, data=piece.data[k : k + 1]) for piece in transcript.pieces for k in range(len(piece.data)))
    return replace(transcript, pieces=tuple(pieces))


def with_garbage(transcript: Transcript) -> Iterator[tuple[str, Transcript]]:
    """Garbage before the output of each stream, between two of its lines in the middle, and after it."""
    for what, data in GARBAGE.items():
        for stream in _streams(transcript):
            for where, place in _places(transcript, stream):
                yield f"{what} {where}", _inserted(transcript, stream, place, data)


def rewritten(transcript: Transcript) -> Iterator[tuple[str, Transcript]]:
    """The output as a console may rewrite it, line by line."""
    changes: dict[str, Callable[[bytes], bytes]] = {
        "with CRLF in place of LF": lambda data: data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"),
        "with an ANSI escape at the end of each line": lambda data: data.replace(b"\n", b"\x1b[0m\n"),
        "with a NUL byte at the end of each line": lambda data: data.replace(b"\n", b"\0\n"),
    }
    for what, change in changes.items():
        pieces = tuple(replace(piece, data=change(piece.data)) for piece in transcript.pieces)
        yield what, replace(transcript, pieces=pieces)


def _streams(transcript: Transcript) -> list[Stream]:
    streams: tuple[Stream, Stream] = ("out", "err")
    return [stream for stream in streams if any(piece.stream == stream for piece in transcript.pieces)] or ["out"]


def _places(transcript: Transcript, stream: Stream) -> Iterator[tuple[str, int]]:
    data = transcript.data(stream)
    name = "standard output" if stream == "out" else "standard error"
    yield f"before {name}", 0
    middle = data.find(b"\n", len(data) // 2) + 1
    if 0 < middle < len(data):
        yield f"in the middle of {name}", middle
    yield f"after {name}", len(data)


def _inserted(transcript: Transcript, stream: Stream, place: int, data: bytes) -> Transcript:
    of_stream = [piece for piece in transcript.pieces if piece.stream == stream]
    if not of_stream:
        t_ns = transcript.spawn.t_ns if transcript.spawn else 1
        return replace(transcript, pieces=(*transcript.pieces, Piece(t_ns, stream, data)))
    ends = list(accumulate(len(piece.data) for piece in of_stream))
    at = next((k for k, end in enumerate(ends) if place < end), len(of_stream) - 1)
    hit = of_stream[at]
    begin = place - (ends[at] - len(hit.data))
    changed = replace(hit, data=hit.data[:begin] + data + hit.data[begin:])
    return replace(transcript, pieces=tuple(changed if piece is hit else piece for piece in transcript.pieces))
