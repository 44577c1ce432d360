"""What the events of a stream say of an answer."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity_adapters.openai.worker.likely import likely_tokens
from parity_adapters.openai.worker.stream import DONE, Answer, Event, Lines, Stream, StreamError


def event(text: str, finish: str | None = None, **more: Any) -> Event:
    return Event(json.dumps({"choices": [{"text": text, "finish_reason": finish, **more}]}).encode())


def answered(*events: Event) -> Answer:
    answer = Answer()
    for each in events:
        answer.take(each)
    return answer


END = Event(DONE.encode())


def test_a_character_in_two_events_is_one() -> None:
    answer = Answer()
    pieces = [answer.take(event(text)) for text in ("a\ud83d", "\ude00b", "c\ud83d", "d\ude00")]
    assert pieces == ["a", "😀b", "c", "�d�"]
    assert "".join(answer.texts) == "a😀bc�d�"


@pytest.mark.parametrize("last", [event("", "length"), END])
def test_half_a_character_at_the_end_of_an_answer_is_shown(last: Event) -> None:
    answer = Answer()
    assert answer.take(event("a\ud83d")) + answer.take(last) == "a�"


def test_nothing_is_read_after_the_end() -> None:
    assert answered(event("a", "stop"), END, event("b"), Event(b"no event")).texts == ["a"]


def test_an_error_that_is_null_is_none() -> None:
    assert Answer().take(Event(b'{"error": null, "choices": [{"index": 0, "text": "a"}]}')) == "a"


def test_a_second_answer_is_not_taken_for_a_part_of_the_first() -> None:
    answer = answered(event("a", index=0))
    with pytest.raises(StreamError, match="a choice with index 1"):
        answer.take(event("b", index=1))


@pytest.mark.parametrize(
    "error",
    [
        Event(b'{"object": "error", "message": "out of memory", "code": 500}'),
        Event(b'{"error": {"message": "out of memory"}}'),
        Event(b'{"detail": "out of memory"}'),
        Event(b'{"message": "out of memory"}', b"error"),
        Event(b"out of memory", b"error"),
    ],
)
def test_an_error_in_a_stream_is_one_also_after_events_with_usage(error: Event) -> None:
    answer = answered(Event(b'{"choices": [{"text": "a"}], "usage": {"prompt_tokens": 2}}'))
    with pytest.raises(StreamError, match="out of memory") as raised:
        answer.take(error)
    assert raised.value.failure == "crash:worker"


def test_an_event_without_choices_holds_usage_or_timings_itself() -> None:
    answer = answered(Event(b'{"usage": {"prompt_tokens": 2}}'), Event(b'{"timings": {"cache_n": 1}}'))
    assert (answer.usage, answer.timings) == ({"prompt_tokens": 2}, {"cache_n": 1})
    with pytest.raises(StreamError, match="an event without choices"):
        answer.take(Event(b'{"object": "unknown"}'))


@pytest.mark.parametrize(("finish", "stopped"), [("length", False), ("stop", True), ("eos", True)])
def test_an_answer_ends_with_its_budget_or_at_an_end_token(finish: str, stopped: bool) -> None:
    assert answered(event("a"), event("", finish), END).stopped is stopped


@pytest.mark.parametrize("finish", [None, "abort", "content_filter"])
def test_an_answer_that_ends_otherwise_is_not_whole(finish: str | None) -> None:
    with pytest.raises(StreamError, match=finish or "without a `finish_reason`") as raised:
        _ = answered(event("a"), event("", finish), END).stopped
    assert raised.value.failure == "crash:worker"


def test_events_are_read_as_the_standard_has_it() -> None:
    stream = Stream()
    lines = (b"\xef\xbb\xbfdata: one", b"", b"data:", b"", b": ping", b"", b"event: error", b"data:two", b"data: three")
    sent = b"\n".join((*lines, b"odd: 1", b"id: 1", b"", b"data", b"", b"lost", b""))
    found = [each for k in range(len(sent)) for each in stream.feed(sent[k : k + 1])]
    assert found == [Event(b"one"), Event(b"two\nthree", b"error")]
    assert stream.odd == "'odd: 1'"


@pytest.mark.parametrize("line", [b"data: long\n", b"data\n"])
def test_an_event_of_endless_lines_is_not_kept(monkeypatch: pytest.MonkeyPatch, line: bytes) -> None:
    monkeypatch.setattr("parity_adapters.openai.worker.stream.LONGEST_EVENT", 1000)
    with pytest.raises(StreamError, match="an event of its stream has more than 1000 bytes"):
        list(Stream().feed(line * 1001))


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
