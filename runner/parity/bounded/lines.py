"""The lines of a growing stream, searched for patterns; as a program, for a stream that comes in pieces.

The program serves patterns of a config, which may take for ever on a line. Frames on standard input are a stream's
name (`o` or `e`), a stamp, a length and so many bytes. Standard output gets a line `found KIND COUNT STAMP` for what a
frame brought to light, `slow KIND` before it ends because a search took too long, and `at FRAMES` when it has searched
all that came.
"""

import json
import os
import re
import select
import signal
import struct
import sys
from collections.abc import Iterator, Mapping
from types import FrameType

from parity.bounded.limits import die_with_parent, limit

LINE_END = re.compile(b"\r\n|\n|\r")
"""A carriage return ends a line too: what is written after it takes the line's place on a terminal."""

LONGEST_SIGHT = 4096
"""Bytes of a line that has no end yet in which a match must lie to be seen at once. A longer line would be searched
from its beginning again with every read."""

LONGEST_LINE_BYTES = 64 * 1024
"""A longer line is searched in its first part only, so that memory stays bounded."""

FRAME = struct.Struct("<cqI")
FRAME_S = 2.0
"""CPU time of the search of one frame."""

SEARCH_BYTES = 1024**3
PIECE_BYTES = 256 * 1024


class LineSearch:
    """Searches the lines of one stream for patterns, by kind: `(pattern, partial)`; with `partial` also the line that
    isn't finished yet.

    Every kind but `token` is reported once. An invalid pattern raises `re.error` on construction."""

    def __init__(self, patterns: Mapping[str, tuple[str, bool]]) -> None:
        self._sought = {kind: (re.compile(pattern), partial) for kind, (pattern, partial) in patterns.items()}
        self.at = ""
        """The kind that is searched for now."""
        self._missed: bytes | None = None
        """The last line in which nothing was found: a program may print it a million times."""
        self._held = bytearray()
        self._counted = 0
        self._after_return = False

    def feed(self, data: bytes) -> Iterator[tuple[str, int]]:
        """What the next bytes of the stream bring to light: kind, and how often."""
        if not self._sought:
            return
        if self._after_return:
            # The line ended with the CR of a CRLF that two reads cut in half.
            data = data.removeprefix(b"\n")
        self._after_return = data.endswith(b"\r")
        *ends, rest = LINE_END.split(data)
        for end in ends:
            if end == self._missed and not self._held:
                continue
            self._hold(end)
            found = list(self._search_line())
            self._missed = None if found or self._counted else bytes(self._held)
            self._held.clear()
            self._counted = 0
            yield from found
        if rest and (added := self._hold(rest)):
            yield from self._search_unfinished(added)

    def _hold(self, part: bytes) -> int:
        """Adds to the line what there is room for; how many bytes that were."""
        room = LONGEST_LINE_BYTES - len(self._held)
        self._held += part[:room]
        return min(len(part), room)

    def _search_line(self) -> Iterator[tuple[str, int]]:
        text = self._held.decode("utf-8", errors="replace")
        for kind, (regex, _) in tuple(self._sought.items()):
            self.at = kind
            if kind == "token":
                yield from self._count(regex, text)
            elif regex.search(text):
                del self._sought[kind]
                yield kind, 1

    def _search_unfinished(self, added: int) -> Iterator[tuple[str, int]]:
        for kind, (regex, partial) in tuple(self._sought.items()):
            if not partial:
                continue
            self.at = kind
            if kind == "token":
                # Counted from the line's beginning, so not in a line that has grown long.
                if len(self._held) <= LONGEST_SIGHT:
                    yield from self._count(regex, self._held.decode("utf-8", errors="replace"))
            elif search_end(regex, self._held, added):
                del self._sought[kind]
                yield kind, 1

    def _count(self, regex: re.Pattern[str], text: str) -> Iterator[tuple[str, int]]:
        seen = sum(1 for _ in regex.finditer(text))
        if seen > self._counted:
            yield "token", seen - self._counted
            self._counted = seen


def search_end(regex: re.Pattern[str], held: bytearray, new: int) -> bool:
    """Whether a pattern is found in a line that has no end yet, of which the last `new` bytes just came. Of what was
    searched before, the last `LONGEST_SIGHT` bytes alone are looked at again."""
    start = len(held) - new - LONGEST_SIGHT
    if start <= 0:
        return regex.search(held.decode("utf-8", errors="replace")) is not None
    # The character ahead keeps `^` from being found where the line does not begin.
    return regex.search("\0" + held[start:].decode("utf-8", errors="replace"), 1) is not None


def main(patterns: str) -> None:
    """Serves until its input ends. `patterns`: stream → kind → pattern and `partial`, as JSON."""
    die_with_parent()
    searches = {name.encode(): LineSearch(sought) for name, sought in json.loads(patterns).items()}
    now = next(iter(searches.values()))

    def too_slow(number: int, frame: FrameType | None) -> None:
        os.write(1, f"slow {now.at}\n".encode())
        os._exit(1)

    # The search itself looks for signals from time to time.
    signal.signal(signal.SIGXCPU, too_slow)
    held, done = bytearray(), 0
    while data := os.read(0, PIECE_BYTES):
        held += data
        while len(held) >= FRAME.size and len(held) >= FRAME.size + (frame := FRAME.unpack_from(held))[2]:
            name, t_ns, length = frame
            piece = bytes(held[FRAME.size : FRAME.size + length])
            del held[: FRAME.size + length]
            limit(FRAME_S, SEARCH_BYTES)
            now = searches[name]
            for kind, count in now.feed(piece):
                os.write(1, f"found {kind} {count} {t_ns}\n".encode())
            done += 1
        if not select.select([0], [], [], 0)[0]:
            os.write(1, f"at {done}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1])
