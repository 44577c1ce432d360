"""Looks for markers in what a process prints, while it prints. They steer deadlines and the progress display, nothing
else.

Patterns that no line can make slow are searched for at once. All others, which a config may give, are searched for by
a child with limits, so that the loop never waits for one.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, Protocol, cast

from parity.adapter import Marker, Markers
from parity.adapter.patterns import is_plain
from parity.bounded import end, started
from parity.bounded.lines import FRAME, LineSearch
from parity.transcript import Piece, Stream

Sought = Literal["waits", "ready", "first-token", "token", "stop", "fail"]

BEHIND_S = 20.0
"""How far the child may fall behind what was printed, on a busy machine."""

ANSWER_BYTES = 64 * 1024


class Found(NamedTuple):
    """What a piece of output brought to light: how often, and when the piece arrived."""

    kind: Sought
    times: int
    t_ns: int


class Search(Protocol):
    """A search of both streams of a process."""

    @property
    def fd(self) -> int | None:
        """A descriptor that is readable when `answers` has something, if there is one."""
        ...

    @property
    def behind_ns(self) -> int | None:
        """When the oldest piece arrived that is not searched yet; None where all are."""
        ...

    @property
    def broken(self) -> bool:
        """Whether a pattern broke a limit, so that nothing is found any more."""
        ...

    def feed(self, piece: Piece) -> Iterator[Found]:
        """What is found in the next piece at once."""
        ...

    def answers(self) -> Iterator[Found]:
        """What was found in earlier pieces since it was asked last."""
        ...

    def close(self) -> None:
        """Ends the search."""
        ...


class NearSearch:
    """Finds in the loop itself: for patterns that no line makes slow."""

    fd = None
    behind_ns = None
    broken = False

    def __init__(self, sought: Mapping[Stream, Mapping[str, tuple[str, bool]]]) -> None:
        self._streams = {stream: LineSearch(patterns) for stream, patterns in sought.items()}

    def feed(self, piece: Piece) -> Iterator[Found]:
        for kind, count in self._streams[piece.stream].feed(piece.data):
            yield Found(cast("Sought", kind), count, piece.t_ns)

    def answers(self) -> Iterator[Found]:
        return iter(())

    def close(self) -> None:
        pass


class FarSearch:
    """Has a child find, which ends itself when a pattern takes too long."""

    def __init__(self, sought: Mapping[Stream, Mapping[str, tuple[str, bool]]]) -> None:
        self._sought = {stream: set(patterns) for stream, patterns in sought.items()}
        spec = {stream[0]: patterns for stream, patterns in sought.items()}
        self._child = started("parity.bounded.lines", json.dumps(spec))
        assert self._child.stdout is not None
        self.fd: int | None = self._child.stdout.fileno()
        self.broken = False
        self._unsent = bytearray()
        self._held = bytearray()
        self._fed: list[int] = []
        self._done = 0

    @property
    def behind_ns(self) -> int | None:
        return self._fed[self._done] if not self.broken and self._done < len(self._fed) else None

    def feed(self, piece: Piece) -> Iterator[Found]:
        if self.broken or not self._sought[piece.stream]:
            return iter(())
        self._fed.append(piece.t_ns)
        self._unsent += FRAME.pack(piece.stream[0].encode(), piece.t_ns, len(piece.data)) + piece.data
        self._send()
        return iter(())

    def answers(self) -> Iterator[Found]:
        if self.broken:
            return
        self._send()
        try:
            assert self.fd is not None
            data = os.read(self.fd, ANSWER_BYTES)
        except BlockingIOError:
            return
        if not data:
            self.broken = True
        *lines, rest = (self._held + data).split(b"\n")
        self._held = bytearray(rest)
        for line in lines:
            what, *values = line.decode().split(" ")
            if what == "at":
                self._done = int(values[0])
            elif what == "found":
                kind, count, t_ns = cast("Sought", values[0]), int(values[1]), int(values[2])
                if kind != "token":
                    for kinds in self._sought.values():
                        kinds.discard(kind)
                yield Found(kind, count, t_ns)

    def close(self) -> None:
        end(self._child)

    def _send(self) -> None:
        """As much as the pipe takes; the rest goes when the child has read it."""
        assert self._child.stdin is not None
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            while self._unsent:
                del self._unsent[: os.write(self._child.stdin.fileno(), self._unsent)]


def search_for(markers: Markers, waits: Marker | None = None, *, watched: bool) -> Search:
    """A search for the markers. What only a display shows is looked for only if there is one.

    Raises:
        re.error: a pattern is none.
        OSError: the child that is needed for the patterns can't be started.
    """
    wanted: dict[Sought, Marker | None] = {
        "waits": waits if watched else None,
        "ready": markers.ready,
        "first-token": markers.first_token,
        "token": markers.token if watched else None,
        "stop": markers.stop,
        "fail": markers.fail,
    }
    streams: tuple[Stream, ...] = ("out", "err")
    sought: dict[Stream, dict[str, tuple[str, bool]]] = {
        stream: {
            kind: (marker.pattern, marker.partial)
            for kind, marker in wanted.items()
            if marker and marker.stream == stream
        }
        for stream in streams
    }
    near = NearSearch(sought)
    patterns = [pattern for kinds in sought.values() for pattern, _ in kinds.values()]
    return near if markers.quick or all(map(is_plain, patterns)) else FarSearch(sought)
