"""The generated text among what a program prints, and when each piece of it arrived. Pure."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

from parity.adapter import ReadError, Transcript, note
from parity.adapter.events import Chunk, Event, Phase, Text

LINE_END = re.compile("\r\n|\r")


def read_text(pattern: str, transcript: Transcript, ended_ns: int | None) -> Iterator[Event]:
    """The text that the group `text` of a pattern holds, as pieces with their arrival and as a whole. `ended_ns`: when
    a line said that the answer is complete; without one, it was complete when the last piece of it arrived.

    Raises:
        ReadError: the pattern is not found, or the program has not ended.
    """
    note(f"text = {pattern!r}")
    pieces = [(t_ns, text) for t_ns, text in transcript.text_between("out", 0, len(transcript.data("out")))]
    whole = "".join(text for _, text in pieces)
    match = re.search(pattern, LINE_END.sub("\n", whole), re.DOTALL | re.MULTILINE)
    if match is None or transcript.end is None:
        raise ReadError(f"its output does not match text = {pattern}")
    start, stop = (_place(whole, place) for place in match.span("text"))
    arrived = list(_between(pieces, start, stop))
    yield from arrived
    if arrived and ended_ns is None:
        yield Phase(t_ns=arrived[-1].t_ns, name="generate", edge="end")
    yield Text(t_ns=transcript.end.t_ns, text=match["text"])


def _place(whole: str, place: int) -> int:
    """The place in the output of one in the same output whose line ends are all LF."""
    for end in LINE_END.finditer(whole):
        if end.start() >= place:
            break
        place += len(end[0]) - 1
    return place


def _between(pieces: list[tuple[int, str]], start: int, stop: int) -> Iterator[Chunk]:
    """What each read brought of the text from `start` to before `stop`."""
    ends = list(accumulate(len(text) for _, text in pieces))
    for k in range(bisect_right(ends, start), len(pieces)):
        begin = ends[k] - len(pieces[k][1])
        if begin >= stop:
            break
        if part := pieces[k][1][max(0, start - begin) : stop - begin]:
            yield Chunk(t_ns=pieces[k][0], text=part)
