"""Looks for markers in a stream while it grows. They steer deadlines and the progress display, nothing else."""

import re
from collections.abc import Iterator
from typing import Literal

from parity.adapter import Marker, Markers
from parity.transcript import LINE_END, Stream

Sought = Literal["waits", "ready", "first-token", "token", "stop", "fail"]

LONGEST_LINE_BYTES = 64 * 1024
"""A longer line is searched in its first part only, so that memory stays bounded."""


class LineSearch:
    """Searches the lines of one stream, and for `partial` markers also the line that isn't finished yet.

    Every marker but `token` is reported once. An invalid pattern raises `re.error` on construction."""

    def __init__(self, markers: dict[Sought, Marker]) -> None:
        self._sought = {kind: (re.compile(marker.pattern), marker.partial) for kind, marker in markers.items()}
        self._held = bytearray()
        self._counted = 0
        self._after_return = False

    def feed(self, data: bytes) -> Iterator[tuple[Sought, int]]:
        """What the next bytes of the stream bring to light: kind, and how often."""
        if not self._sought:
            return
        if self._after_return:
            # The line ended with the CR of a CRLF that two reads cut in half.
            data = data.removeprefix(b"\n")
        self._after_return = data.endswith(b"\r")
        *ends, rest = LINE_END.split(data)
        for end in ends:
            self._hold(end)
            yield from self._search(complete=True)
            self._held.clear()
            self._counted = 0
        if rest:
            self._hold(rest)
            yield from self._search(complete=False)

    def _hold(self, part: bytes) -> None:
        self._held += part[: LONGEST_LINE_BYTES - len(self._held)]

    def _search(self, *, complete: bool) -> Iterator[tuple[Sought, int]]:
        sought = [(kind, regex) for kind, (regex, partial) in self._sought.items() if complete or partial]
        if not sought:
            return
        text = self._held.decode("utf-8", errors="replace")
        for kind, regex in sought:
            if kind == "token":
                seen = sum(1 for _ in regex.finditer(text))
                if seen > self._counted:
                    yield kind, seen - self._counted
                    self._counted = seen
            elif regex.search(text):
                del self._sought[kind]
                yield kind, 1


def line_searches(markers: Markers, waits: Marker | None = None, *, watched: bool) -> dict[Stream, LineSearch]:
    """A search for each stream. What only a display shows is looked for only if there is one."""
    sought: dict[Sought, Marker | None] = {
        "waits": waits if watched else None,
        "ready": markers.ready,
        "first-token": markers.first_token,
        "token": markers.token if watched else None,
        "stop": markers.stop,
        "fail": markers.fail,
    }
    streams: tuple[Stream, ...] = ("out", "err")
    return {
        stream: LineSearch({kind: marker for kind, marker in sought.items() if marker and marker.stream == stream})
        for stream in streams
    }
