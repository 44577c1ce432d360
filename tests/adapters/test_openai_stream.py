"""What the events of a stream say of an answer."""

import json
from typing import Any

import pytest

from parity_adapters.openai.worker.stream import Answer, Lines, StreamError


def event(text: str, finish: str | None = None, **more: Any) -> bytes:
    return b"data: " + json.dumps({"choices": [{"text": text, "finish_reason": finish, **more}]}).encode()


def test_a_character_in_two_events_is_one() -> None:
    answer = Answer()
    pieces = [answer.take(event(text)) for text in ("a\ud83d", "\ude00b", "c\ud83d", "d\ude00")]
    assert pieces == ["a", "😀b", "c", "�d�"]
    assert "".join(answer.texts) == "a😀bc�d�"


@pytest.mark.parametrize("last", [event("", "length"), b"data: [DONE]"])
def test_half_a_character_at_the_end_of_an_answer_is_shown(last: bytes) -> None:
    answer = Answer()
    assert answer.take(event("a\ud83d")) + answer.take(last) == "a�"


def test_nothing_is_read_after_the_end() -> None:
    answer = Answer()
    for line in (event("a", "stop"), b"data: [DONE]", event("b"), b"no event"):
        answer.take(line)
    assert answer.texts == ["a"]


def test_an_error_that_is_null_is_none() -> None:
    answer = Answer()
    assert answer.take(b'data: {"error": null, "choices": [{"index": 0, "text": "a"}]}') == "a"


def test_a_second_answer_is_not_taken_for_a_part_of_the_first() -> None:
    answer = Answer()
    answer.take(event("a", index=0))
    with pytest.raises(StreamError, match="a choice with index 1"):
        answer.take(event("b", index=1))


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_line_ends_with_any_of_three_ends_wherever_pieces_are_cut(end: bytes) -> None:
    whole = end.join((b"data: a", b"", b": b", b"data: c", b""))
    for cut in range(len(whole) + 1):
        lines = Lines()
        pieces = [piece for piece in (whole[:cut], whole[cut:]) if piece]
        assert [line for piece in pieces for line in lines.feed(piece)] == [b"data: a", b"", b": b", b"data: c"]
