"""The answer of Example 1 on standard output: what stands between its heading and that of Example 2."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass

from parity.adapter import Transcript

RULE = "=" * 80
HEADING_1 = "📝 Example 1: Simple One-Shot Query\n\n".encode()
HEADING_2 = f"\n{RULE}\n📝 Example 2: Interactive Chat Loop\n".encode()


@dataclass(frozen=True)
class Answer:
    """Where the answer lies in standard output: bytes `start` to `stop`; `ended_ns`: when the next heading came, None
    where it never did and the answer may be cut short."""

    start: int
    stop: int
    ended_ns: int | None


@dataclass(frozen=True)
class Shown:
    """A piece of text and when it arrived."""

    t_ns: int
    text: str


def find_answer(transcript: Transcript, query: str) -> Answer | None:
    """None where Example 1 never began. What the query itself holds is echoed before and never taken for a heading."""
    out = transcript.data("out")
    echo = f"Query: {query}\n".encode()
    echoed = out.find(echo)
    heading = out.find(HEADING_1, echoed + len(echo) if echoed >= 0 else 0)
    if heading < 0:
        return None
    start = heading + len(HEADING_1)
    stop = out.find(HEADING_2, start)
    if stop < 0:
        return Answer(start, len(out), None)
    return Answer(start, stop, _arrival(transcript, stop + len(HEADING_2) - 1))


def shown(transcript: Transcript, start: int, stop: int) -> Iterator[Shown]:
    """The text in a range of bytes of standard output, a piece for each read that brought any of it."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    begun = last_ns = 0
    for piece in transcript.pieces:
        if piece.stream != "out":
            continue
        part = piece.data[max(0, start - begun) : max(0, stop - begun)]
        begun += len(piece.data)
        if part:
            last_ns = piece.t_ns
            if text := decoder.decode(part):
                yield Shown(piece.t_ns, text)
    if rest := decoder.decode(b"", final=True):
        yield Shown(last_ns, rest)


def _arrival(transcript: Transcript, offset: int) -> int | None:
    """When the byte at an offset of standard output came."""
    end = 0
    for piece in transcript.pieces:
        if piece.stream == "out":
            end += len(piece.data)
            if offset < end:
                return piece.t_ns
    return None
