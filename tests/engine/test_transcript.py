"""Transcripts: what is written comes back, to the byte, however the stream was cut."""

import json
import re
from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.errors import RunFolderError
from parity.transcript import (
    TRANSCRIPT_VERSION,
    End,
    Head,
    Launched,
    NoSpawn,
    Piece,
    Sample,
    Spawned,
    Stream,
    Transcript,
    TranscriptWriter,
    read_transcript,
)

HEAD = Head(purpose="trial", runtime="test")
STREAMS: tuple[Stream, ...] = ("out", "err")

# bytes that matter: line ends, halves of characters, what JSON escapes
awkward = st.lists(
    st.sampled_from([b"\n", b"\r\n", b"\r", b"a", b"\x00", b'"\\', b"\xc3", b"\xa9", b"\xff", "€\u2028".encode()]),
    max_size=24,
).map(b"".join)


def cut(stream: bytes, places: Sequence[int]) -> list[bytes]:
    """The stream in pieces, cut at these places; none of them empty."""
    ends = sorted({*(place % (len(stream) + 1) for place in places), 0, len(stream)})
    return [stream[a:b] for a, b in pairwise(ends)]


def of_pieces(pieces: Sequence[bytes], stream: Stream = "out") -> Transcript:
    """Piece number k arrives at k + 1 ns."""
    return Transcript(HEAD, pieces=tuple(Piece(k, stream, data) for k, data in enumerate(pieces, start=1)))


def write(path: Path, pieces: Sequence[Piece] = ()) -> None:
    with closing(TranscriptWriter(path, HEAD)) as writer:
        writer.launch(Launched(argv=("x",), env={}))
        writer.spawn(Spawned(t_ns=1, pid=2, wall="2025-01-01T00:00:00+00:00"))
        for piece in pieces:
            writer.piece(piece)
        writer.sample(Sample(t_ns=5, rss_bytes=6, cpu_s=0.5))
        writer.end(End(t_ns=9, by="exit", exit_code=0))


@settings(deadline=None)
@given(awkward, st.lists(st.integers(0, 100), max_size=10))
def test_lines_are_the_same_however_the_stream_is_cut(stream: bytes, places: list[int]) -> None:
    lines = [(line.text, line.complete) for line in of_pieces(cut(stream, places)).lines("out")]
    whole = re.split(b"\r\n|\n|\r", stream)
    expected = [(part, True) for part in whole[:-1]] + ([(whole[-1], False)] if whole[-1] else [])
    assert lines == [(part.decode("utf-8", "replace"), complete) for part, complete in expected]


@settings(deadline=None)
@given(awkward, st.lists(st.integers(0, 100), max_size=10))
def test_a_line_is_stamped_by_the_pieces_that_hold_its_first_byte_and_its_end(stream: bytes, places: list[int]) -> None:
    pieces = cut(stream, places)
    arrival = [k for k, data in enumerate(pieces, start=1) for _ in data]
    parts = re.findall(b"([^\r\n]*)(\r\n|\n|\r|$)", stream)
    first = 0
    for line, (part, end) in zip(of_pieces(pieces).lines("out"), parts, strict=False):
        last = first + len(part) - (0 if line.complete else 1)
        assert (line.t_first_ns, line.t_ns) == (arrival[first], arrival[last])
        first += len(part) + len(end)


def test_a_line_that_is_rewritten_in_place_is_a_line_for_each_state_and_the_last_one_is_shown() -> None:
    transcript = of_pieces([b"ready\n10 %", b"\r50 %\r", b"100 %\r\n", b"done\r"])
    lines = [(line.text, line.overwritten) for line in transcript.lines("out")]
    assert lines == [("ready", False), ("10 %", True), ("50 %", True), ("100 %", False), ("done", False)]
    assert transcript.tail() == ("ready", "100 %", "done")
    found = transcript.find(r"\d+ %", "out", last=True)
    assert found is not None
    assert found[1][0] == "100 %"


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(STREAMS), st.binary(max_size=40) | awkward), max_size=10))
def test_every_byte_comes_back_from_the_file(chunks: list[tuple[Stream, bytes]]) -> None:
    pieces = tuple(Piece(k, stream, data) for k, (stream, data) in enumerate(chunks))
    with TemporaryDirectory() as folder:
        write(Path(folder) / "t.jsonl", pieces)
        transcript = read_transcript(Path(folder) / "t.jsonl")
    assert transcript == Transcript(
        HEAD,
        launch=Launched(argv=("x",), env={}),
        spawn=Spawned(t_ns=1, pid=2, wall="2025-01-01T00:00:00+00:00"),
        pieces=pieces,
        samples=(Sample(t_ns=5, rss_bytes=6, cpu_s=0.5),),
        end=End(t_ns=9, by="exit", exit_code=0),
    )


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 400))
def test_a_file_cut_short_anywhere_gives_what_was_whole(missing: int) -> None:
    pieces = [Piece(k, "out", f"line {k} é\n".encode()) for k in range(8)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "t.jsonl"
        write(path, pieces)
        path.write_bytes(path.read_bytes()[:-missing])
        transcript = read_transcript(path)
    assert transcript.end is None
    assert transcript.pieces == tuple(pieces[: len(transcript.pieces)])


def test_a_program_that_was_not_started_is_a_transcript(tmp_path: Path) -> None:
    reason = NoSpawn(t_ns=3, errno=2, message="No such file or directory")
    with closing(TranscriptWriter(tmp_path / "t.jsonl", HEAD)) as writer:
        writer.no_spawn(reason)
    assert read_transcript(tmp_path / "t.jsonl") == Transcript(HEAD, no_spawn=reason)


def test_another_version_is_refused_by_name_and_not_as_a_broken_file(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    newer = {"version": TRANSCRIPT_VERSION + 1, "purpose": "trial", "runtime": "test", "field_of_the_future": True}
    path.write_text(json.dumps({"head": newer}) + "\n")
    with pytest.raises(RunFolderError, match=f"transcript version {TRANSCRIPT_VERSION + 1}"):
        read_transcript(path)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n",
        "not json\n",
        "[]\n",
        "1\n",
        '{"head": 1}\n',
        '{"head": {"purpose": "trial"}}\n',
        '{"spawn": {"t_ns": 1, "pid": 2, "wall": ""}}\n',
        '{"t": 1, "s": "out"}\n',
        '{"elsewhere": {}}\n',
    ],
)
def test_a_file_that_is_no_transcript_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(content)
    with pytest.raises(RunFolderError, match=r"t\.jsonl"):
        read_transcript(path)


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    write(path, [Piece(1, "out", b"x")])
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:3], "{\n", *lines[3:]]))
    with pytest.raises(RunFolderError, match=r"t\.jsonl:4"):
        read_transcript(path)


def test_a_missing_file_is_an_error_for_the_user(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="No such file"):
        read_transcript(tmp_path / "gone.jsonl")


def test_a_transcript_is_never_written_over(tmp_path: Path) -> None:
    write(tmp_path / "t.jsonl")
    with pytest.raises(FileExistsError):
        TranscriptWriter(tmp_path / "t.jsonl", HEAD)


def test_control_characters_do_not_swell_the_file(tmp_path: Path) -> None:
    write(tmp_path / "t.jsonl", [Piece(1, "out", bytes(100_000))])
    assert (tmp_path / "t.jsonl").stat().st_size < 150_000
    assert read_transcript(tmp_path / "t.jsonl").data("out") == bytes(100_000)


def test_find_gives_the_first_or_the_last_line() -> None:
    transcript = of_pieces([b"rate 1\nrate ", b"2\nrest"])
    first, last = transcript.find(r"rate (\d)", "out"), transcript.find(r"rate (\d)", "out", last=True)
    assert first is not None
    assert last is not None
    assert (first[0].t_ns, first[1][1]) == (1, "1")
    assert (last[0].t_first_ns, last[0].t_ns, last[1][1]) == (1, 2, "2")
    assert transcript.find("rate", "err") is None


def test_the_tail_holds_the_last_lines_of_both_streams_in_order_of_arrival() -> None:
    pieces = (Piece(1, "out", b"a\n\nb\n"), Piece(2, "err", b"c\n"), Piece(3, "out", b"d"))
    assert Transcript(HEAD, pieces=pieces).tail(3) == ("b", "c", "d")


class Unread:
    """A piece whose bytes nobody may ask for."""

    t_ns = 0
    stream = "out"


def test_the_tail_of_an_endless_output_reads_its_end_alone() -> None:
    flood = tuple(Piece(k, "out", b"flooding\n" * 8000) for k in range(1, 7))
    pieces = cast(tuple[Piece, ...], (*[Unread()] * 1000, *flood))
    assert Transcript(HEAD, pieces=pieces).tail(3) == ("flooding",) * 3


def test_the_tail_holds_a_line_of_which_the_end_alone_came_late() -> None:
    flood = [Piece(2, "out", b"flooding\n" * 8000)] * 2
    pieces = (Piece(1, "err", b"the message"), *flood, Piece(3, "out", b"late\n"), Piece(4, "err", b"\n"))
    assert Transcript(HEAD, pieces=pieces).tail(1) == ("the message",)


LONG = st.sampled_from((b"a\n", b"b\r", b"c" * 30_000, b"\n", b" \n" * 9000, b"d\r\n", b"12 %\r" * 9000, b"e\n" * 9000))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(STREAMS), LONG), max_size=14), st.integers(1, 4))
def test_the_tail_is_that_of_all_lines_however_long_they_are(chunks: list[tuple[Stream, bytes]], count: int) -> None:
    transcript = Transcript(HEAD, pieces=tuple(Piece(k // 2, stream, data) for k, (stream, data) in enumerate(chunks)))
    lines = [line for stream in STREAMS for line in transcript.lines(stream)]
    shown = [line for line in sorted(lines, key=lambda line: line.t_ns) if line.text.strip() and not line.overwritten]
    assert transcript.tail(count) == tuple(line.text[:400] for line in shown[-count:])


def test_a_character_cut_in_two_by_a_read_is_still_valid() -> None:
    assert of_pieces([b"caf\xc3", b"\xa9"]).valid_utf8
    assert not of_pieces([b"caf\xc3"]).valid_utf8
    assert not of_pieces([b"\xff"], stream="err").valid_utf8


def test_a_bytes_arrival_is_that_of_the_read_that_brought_it() -> None:
    pieces = (Piece(1, "out", b"ab"), Piece(2, "err", b"other"), Piece(3, "out", b"c"))
    transcript = Transcript(HEAD, pieces=pieces)
    assert [transcript.arrival_of("out", offset) for offset in range(4)] == [1, 1, 3, None]
    assert transcript.arrival_of("out", -1) is None


def test_text_between_two_offsets_comes_by_read_in_whole_characters() -> None:
    transcript = of_pieces([b"<caf\xc3", b"\xa9", b"", b" au", b" lait>"])
    assert list(transcript.text_between("out", 1, 13)) == [(1, "caf"), (2, "é"), (4, " au"), (5, " lai")]
    assert list(transcript.text_between("out", 3, 5)) == [(1, "f�")]
    assert list(transcript.text_between("out", 4, 4)) == []


def test_a_character_that_the_end_of_the_stream_cut_off_is_not_lost() -> None:
    assert list(of_pieces([b"caf\xc3"]).text_between("out", 0, 100)) == [(1, "caf"), (1, "�")]


@given(stream=awkward, places=st.lists(st.integers(min_value=0)), start=st.integers(0, 30), length=st.integers(0, 30))
def test_text_between_is_the_text_of_those_bytes_however_they_are_cut(
    stream: bytes, places: list[int], start: int, length: int
) -> None:
    found = list(of_pieces(cut(stream, places)).text_between("out", start, start + length))
    assert "".join(text for _, text in found) == stream[start : start + length].decode("utf-8", errors="replace")
    assert [t_ns for t_ns, _ in found] == sorted(t_ns for t_ns, _ in found)
