"""What the events of a stream say of an answer."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity_adapters.openai.worker.likely import likely_tokens
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


def test_a_probability_of_zero_is_listed_nowhere() -> None:
    top = [{"id": 7, "logprob": 0.0}, {"id": 8, "logprob": -3.4e38}]
    choice = {"logprobs": {"content": [{**top[0], "top_logprobs": top}]}}
    assert likely_tokens(choice, 8, names_chosen=True) == [(7, 0.0, [(7, 0.0)])]


_NUMBERS = st.integers() | st.just(10**400) | st.floats()
_NAMES = st.sampled_from(["id", "logprob", "top_logprobs", "token_id:7", "token_id:x", "tokens"])
_ODD = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _NAMES | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=8,
)
_SHOWN = ("content", "tokens", "token_logprobs", "top_logprobs")


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(_SHOWN, _ODD)) | _ODD, st.booleans())
def test_log_probabilities_in_any_form_are_read_or_refused(shown: Any, names_chosen: bool) -> None:
    try:
        found = likely_tokens({"logprobs": shown}, 8, names_chosen=names_chosen)
    except StreamError:
        return
    assert all(token >= 0 and logprob <= 0.0 for token, logprob, _ in found)
