"""A trial that scores is good where every position was scored as it was asked, and a `parse` failure otherwise."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from builders import MS, SPAWN_NS, job, transcript

from parity.adapter import PROTOCOL_MARKERS
from parity.adapter.events import Bye, Event, Hello, Phase, Prompt, ScoredPosition, Settings, Text, Token
from parity.hosts.local.markers import search_for
from parity.reading.measure import measure
from parity.reading.outcome import classify
from parity.records import ScoreRequest
from parity.transcript import Head, Piece, Transcript

REQUEST = ScoreRequest(ids=(7, 8, 9, 4), prompt_tokens=2, top=3)


def score(position: int, **changes: Any) -> ScoredPosition:
    """A good one, unless `changes` makes it differ."""
    token = REQUEST.ids[position] if position < len(REQUEST.ids) else 0
    top = [(token, -0.5), (50, -1.5), (60, -2.5)]
    return ScoredPosition(
        **{"t_ns": 1, "position": position, "id": token, "logprob": -0.5, "logsumexp": 20.0, "top": top, **changes}
    )


HELLO = Hello(t_ns=1, protocol=1, runtime="r", version="1")
READY = Phase(t_ns=1, name="ready", edge="end")
PROMPT = Prompt(t_ns=1, ids=[7, 8], count=2)
BYE = Bye(t_ns=1, reason="scored")
SCORES = (score(1), score(2), score(3))
GOOD = (HELLO, READY, PROMPT, *SCORES, BYE)


def asked(events: Sequence[Event], **fields: Any) -> tuple[Transcript, list[Event]]:
    """The events with stamps in their order, in the transcript of a trial that scores."""
    found = [event.model_copy(update={"t_ns": SPAWN_NS + (k + 1) * MS}) for k, event in enumerate(events)]
    head = Head(purpose="trial", runtime="one", job=job(fields={"task": "score", "score": REQUEST, **fields}))
    return replace(transcript(found), head=head), found


def complaint(events: Sequence[Event], **fields: Any) -> str | None:
    failure = classify(*asked(events, **fields), None)
    assert failure is None or failure.kind == "parse"
    return failure.message if failure else None


def test_scores_of_every_position_are_a_good_trial_without_measurements() -> None:
    assert complaint(GOOD) is None
    assert complaint((*GOOD[:-1], Settings(t_ns=1, values={"kv_type": "f16"}), BYE)) is None
    assert measure(*asked(GOOD)) == ()


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ((HELLO, READY, *SCORES, BYE), "it did not show the ids of its `prompt`"),
        ((HELLO, Prompt(t_ns=1, count=2), *SCORES, BYE), "it did not show the ids of its `prompt`"),
        (
            (HELLO, Prompt(t_ns=1, ids=[7, 8, 9]), *SCORES, BYE),
            "the ids of its `prompt` are not the first 2 of the sequence that it was to score",
        ),
        ((HELLO, PROMPT, BYE), "it scored 0 of 3 positions"),
        ((HELLO, PROMPT, *SCORES[:2], BYE), "it scored 2 of 3 positions"),
        (
            (HELLO, PROMPT, *SCORES, score(4), BYE),
            "it sent more scores than the sequence has positions, which are 3",
        ),
        ((HELLO, PROMPT, SCORES[0], SCORES[2], BYE), "its score number 2 is that of position 3"),
        ((HELLO, PROMPT, SCORES[0], SCORES[0], *SCORES[1:], BYE), "its score number 2 is that of position 1"),
        (
            (HELLO, PROMPT, SCORES[0], score(2, id=5), SCORES[2], BYE),
            "it scored id 5 at position 2, and the sequence has 9 there",
        ),
        ((HELLO, PROMPT, *SCORES), "its events end without `bye`"),
        (
            (HELLO, PROMPT, *SCORES, Bye(t_ns=1, reason="length")),
            "it scored every position, and sent `bye` with `length`",
        ),
        ((*GOOD[:-1], Token(t_ns=1, k=1, id=3), BYE), "it was asked for scores, and generated"),
        ((*GOOD[:-1], Text(t_ns=1, text="hi"), BYE), "it was asked for scores, and generated"),
    ],
)
def test_what_is_missing_or_different_is_named(events: Sequence[Event], said: str) -> None:
    assert complaint(events) == said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"top": []}, "it shows 0 of the likeliest tokens, and 3 were asked for"),
        ({"top": [(9, -0.5), (1, -2), (2, -3), (3, -4)]}, "it shows 4 of the likeliest tokens"),
        ({"top": [(9, -0.5), (1, -1.5)]}, "it shows 2 of the likeliest tokens, and 3 were asked for"),
        ({"top": [(9, -0.5), (1, -2.0), (1, -3.0)]}, "one id is twice among the likeliest tokens"),
        ({"top": [(9, -0.5), (1, -3.0), (2, -2.0)]}, "not sorted by their log-probabilities"),
        ({"top": [(9, -0.5), (1, -0.6), (2, -0.7)]}, "add up to more than 1"),
        ({"top": [(9, 1e5)]}, "add up to more than 1"),
        ({"top": [(-5, -0.5)]}, "it lists id -5, which no vocabulary has"),
        ({"top": [(2**70, -0.5)]}, "which no vocabulary has"),
        ({"top": [(2**31, -0.5)]}, "it lists id 2147483648, which no vocabulary has"),
        ({"logprob": -1e308}, "it shows -1e+308 nats, which no model computes"),
        ({"logsumexp": 2e6}, "it shows 2e+06 nats, which no model computes"),
        ({"top": [(9, -1.1e6)]}, "it shows -1.1e+06 nats, which no model computes"),
        ({"logprob": -0.500003}, "id 9 has the log-probability -0.500003, and -0.5 among the likeliest"),
        ({"top": [(5, -0.6), (1, -2.0), (2, -3.0)]}, "id 9 is likelier than the last of the likeliest tokens"),
    ],
)
def test_likeliest_tokens_that_cannot_be_are_found(changes: dict[str, Any], said: str) -> None:
    message = complaint((HELLO, PROMPT, SCORES[0], score(2, **changes), SCORES[2], BYE))
    assert message is not None
    assert message.startswith("at position 2 ")
    assert said in message


@pytest.mark.parametrize(
    "changes",
    [
        {"logprob": -0.500002},
        {"top": [(9, -1.098612), (1, -1.098612), (2, -1.098612)], "logprob": -1.098612},
        {"top": [(1, -1.098612), (2, -1.098612), (3, -1.098612)], "logprob": -18.0},
        {"top": [(1, -0.1), (9, -2.352169)], "logprob": -2.352169},
        {"top": [(9, 0.0), (1, -40.0)], "logprob": 0.0},
    ],
)
def test_rounding_equals_and_an_unlikely_id_are_no_fault(changes: dict[str, Any]) -> None:
    assert complaint((HELLO, PROMPT, SCORES[0], score(2, **changes), SCORES[2], BYE)) is None


@pytest.mark.parametrize("events", [GOOD, (HELLO, PROMPT, Token(t_ns=1, k=1, id=3), BYE)])
def test_scores_contradict_a_trial_that_generates(events: Sequence[Event]) -> None:
    assert complaint(events, task="generate", score=None) == "it was asked to generate, and sent scores"


def test_the_first_score_ends_the_limit_for_the_first_token() -> None:
    search = search_for(PROTOCOL_MARKERS, watched=False)
    lines = "".join(event.model_dump_json() + "\n" for event in (HELLO, READY, PROMPT))
    assert list(search.feed(Piece(7, "out", lines.encode()))) == [("ready", 1, 7)]
    assert list(search.feed(Piece(8, "out", score(1).model_dump_json().encode() + b"\n"))) == [("first-token", 1, 8)]
