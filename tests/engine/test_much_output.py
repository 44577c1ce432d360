"""What a program prints costs work in proportion to its size, however it is cut into lines and reads.

Work is counted (characters that a pattern is searched in, bytes that are cut into lines), so no test depends on the
machine.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from builders import job

from parity.adapter.protocol import read_protocol
from parity.bounded.lines import LineSearch
from parity.errors import ReadError
from parity.reading.events import read_events
from parity.reading.outcome import classify
from parity.transcript import LONGEST_SIGHT, End, Head, Line, Piece, Stream, Transcript

LONG = 3 * LONGEST_SIGHT
COMPILE = re.compile
NEWLINES = b"\n" * 65536


class Counted:
    """A pattern that counts the characters in which it is searched."""

    def __init__(self, pattern: str) -> None:
        self._regex = COMPILE(pattern)
        self.characters = 0

    def search(self, text: str, start: int = 0) -> re.Match[str] | None:
        self.characters += len(text) - start
        return self._regex.search(text, start)


def printed(*data: bytes, stream: Stream = "out") -> Transcript:
    pieces = tuple(Piece(k, stream, part) for k, part in enumerate(data, start=1))
    return Transcript(head=Head(purpose="trial", runtime="one"), pieces=pieces)


def byte_by_byte(text: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in text]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, Counted]:
    """Pattern → what counts it, of each pattern that is compiled."""
    made: dict[str, Counted] = {}

    def compiled(pattern: str) -> Any:
        return made.setdefault(pattern, Counted(pattern))

    monkeypatch.setattr("parity.transcript.content.re.compile", compiled)
    return made


def test_a_line_that_grows_byte_by_byte_is_not_searched_from_its_beginning_again(counted: dict[str, Counted]) -> None:
    work = []
    for length in (LONG, 2 * LONG, 4 * LONG):
        counted.clear()
        assert printed(*byte_by_byte(b"x" * length)).first_sight("never", "out", partial=True) is None
        work.append(counted["never"].characters)
    assert work[2] - work[1] == 2 * (work[1] - work[0])


def test_nor_is_it_while_the_program_runs() -> None:
    work = []
    for length in (LONG, 2 * LONG, 4 * LONG):
        search, regex = LineSearch({"ready": ("never", True)}), Counted("never")
        search._sought["ready"] = (regex, True)  # type: ignore[assignment]
        assert [found for byte in byte_by_byte(b"x" * length) for found in search.feed(byte)] == []
        work.append(regex.characters)
    assert work[2] - work[1] == 2 * (work[1] - work[0])


@pytest.mark.parametrize("before", [0, 5, LONGEST_SIGHT, LONG])
def test_a_match_at_the_end_of_a_growing_line_is_seen_at_once(before: int) -> None:
    line = byte_by_byte(b"x" * before + b"ready now")
    at = before + len("ready")
    assert printed(*line).first_sight("ready", "out", partial=True) == at
    search = LineSearch({"ready": ("ready", True)})
    assert [k for k, byte in enumerate(line, start=1) for _ in search.feed(byte)] == [at]


def test_the_beginning_of_a_line_is_not_found_within_a_long_one() -> None:
    line = byte_by_byte(b"x" * LONG + b"ready" * 2)
    assert printed(*line).first_sight("^ready", "out", partial=True) is None
    assert printed(b"a\n", *byte_by_byte(b"ready")).first_sight("^ready$", "out", partial=True) == 6


def cut_into_lines(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes of each output that is cut into lines."""
    sizes: list[int] = []
    lines = Transcript.lines

    def counting(self: Transcript, stream: Stream, *, blank: bool = True) -> Iterator[Line]:
        sizes.append(sum(len(piece.data) for piece in self.pieces if piece.stream == stream))
        return lines(self, stream, blank=blank)

    monkeypatch.setattr(Transcript, "lines", counting)
    return sizes


def test_the_last_lines_are_looked_for_at_the_end_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = cut_into_lines(monkeypatch)
    assert printed(b"early\n", *[NEWLINES] * 200, b"late\n").tail(1) == ("late",)
    assert sum(sizes) < 2 * len(NEWLINES)
    sizes.clear()
    assert printed(b"early\n", *[NEWLINES] * 200).tail() == ()
    assert sum(sizes) < 4_000_000


def test_of_one_line_without_an_end_the_last_characters_are_shown() -> None:
    [shown] = printed(*[b"x" * 65536] * 40, b"the end").tail()
    assert shown.startswith("…xxx")
    assert shown.endswith("xthe end")
    assert len(shown) <= 401


def test_empty_lines_are_counted_and_not_kept() -> None:
    found = printed(b"\n\none\n", b"\r\n\r\n", b"two\n\n")
    assert [(line.number, line.text) for line in found.lines("out", blank=False)] == [(3, "one"), (6, "two")]
    assert [line.text for line in found.lines("out")] == ["", "", "one", "", "", "two", ""]
    with pytest.raises(ReadError, match="line 3 "):
        list(read_protocol(found))


def test_a_line_that_is_printed_again_and_again_is_searched_once(counted: dict[str, Counted]) -> None:
    assert printed(*[b"warning: something odd\n" * 1000] * 100).find("never", "out", last=True) is None
    assert counted["never"].characters <= len("warning: something odd")
    search, regex = LineSearch({"ready": ("never", False)}), Counted("never")
    search._sought["ready"] = (regex, False)  # type: ignore[assignment]
    assert list(search.feed(b"warning: something odd\n" * 1000)) == []
    assert regex.characters == len("warning: something odd")


def test_of_a_program_that_printed_too_much_nothing_is_read() -> None:
    unread: Any = object()  # an adapter that can be asked nothing
    cut = replace(printed(b"> \n" * 1000), end=End(t_ns=2, by="output-limit", signal=2))
    assert read_events(unread, cut, job()) == ([], None)
    failure = classify(cut, [], None)
    assert failure is not None
    assert failure.kind == "output-limit"
