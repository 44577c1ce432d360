"""Runtimes that score their own answer alone, as servers do: which ids they are known to generate, and what follows."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from spoken import CONTINUATION, PROMPT, SEQUENCE, SPOKEN, Logits, following, generated, score_trial, swapped

from parity.adapter.events import Bye, Event, ScoredPosition
from parity.outputs import Compared, judge_outputs
from parity.outputs.distances import bits_of
from parity.reading.own_answer import of_own_answer
from parity.reading.scores import unanswered
from parity.records import Limits, OutputVerdict, Rung, Scored, ScoreRequest, Trial
from parity.run.request import limits_of_score

PIECES: Mapping[int, bytes] = {0: b"", **{token: b" w%d" % token for token in range(1, 40)}}
"""Token 0 ends an answer."""

ASKED = ScoreRequest(ids=SEQUENCE, prompt_tokens=len(PROMPT), own=True)
PLACE, OTHER = 10, 39
"""Where answers part in these tests, and the token that the server takes there."""

PARTED = (*CONTINUATION[:PLACE], OTHER, *CONTINUATION[:13])


PAST_END = generated("two", settings={"past_end": True})[0].identity


def text_of(ids: Sequence[int]) -> str:
    return b"".join(PIECES[token] for token in ids).decode()


def answer(rows: Logits = SPOKEN, ids: Sequence[int] = CONTINUATION, **changes: Any) -> Trial:
    """The trial in which `two` scored an answer of these ids, as it is read."""
    scored = score_trial("two", rows, (*PROMPT, *ids), number=2)
    shown = scored.but(scores=scored.scores[len(PROMPT) - 1 :], text=text_of(ids), pieces=dict(PIECES))
    return of_own_answer(shown.but(**changes), ASKED)


def judged(
    own: Trial, ids: Sequence[int] = CONTINUATION, *, baseline: Logits = SPOKEN, kind: str = "Q4_1", **shown: Any
) -> OutputVerdict:
    """The verdict on `two`, which shows the text of these ids, beside `one`, which scored the sequence."""
    trials = [*generated("one", text=text_of(CONTINUATION)), *generated("two", None, text=text_of(ids), **shown)]
    scored = [score_trial("one", baseline), own]
    found = judge_outputs(Compared("m", "t", "one", trials, scored, quantisation={kind: 210}), "two")
    assert found is not None
    return found


def rungs(found: OutputVerdict) -> dict[str, Rung]:
    return {rung.name: rung for rung in found.rungs}


def test_an_answer_with_the_same_ids_and_scores_is_equivalent() -> None:
    found = judged(answer())
    assert found.verdict == "IDENTICAL"
    assert (rungs(found)["greedy"].state, rungs(found)["scores"].state) == ("same", "same")
    assert found.distances is not None
    assert (found.distances.positions, found.distances.continuation) == (len(CONTINUATION), len(CONTINUATION))


def test_an_answer_that_parts_at_a_near_tie_by_both_scores_is_equivalent() -> None:
    upto = len(PROMPT) + PLACE
    rows = [*swapped(SPOKEN, PLACE, OTHER, 0.1)[:upto], *following((*PROMPT, *PARTED))[upto:]]
    found = judged(answer(rows, PARTED), PARTED, baseline=swapped(SPOKEN, PLACE, OTHER, -0.1))
    assert found.verdict == "EQUIVALENT", found.sentence
    assert found.first_difference is not None
    assert (found.first_difference.at, found.first_difference.our_margin is None) == (PLACE + 1, False)
    assert found.distances is not None
    assert found.distances.continuation == PLACE + 1


def test_an_answer_that_parts_where_its_own_scores_prefer_it_by_far_is_wrong() -> None:
    found = judged(answer(following((*PROMPT, *PARTED)), PARTED), PARTED)
    assert found.verdict == "WRONG"
    assert f"token {PLACE + 1} is {CONTINUATION[PLACE]} for one and {OTHER} for two" in found.sentence


def test_an_answer_of_likelihoods_that_lie_far_apart_drifts() -> None:
    rows = [[x * 0.2 for x in row] for row in SPOKEN]
    found = judged(answer(rows))
    assert (found.verdict, rungs(found)["greedy"].state) == ("DRIFT", "same")


@pytest.mark.parametrize(
    "changes",
    [{"text": "w1 w2"}, {"pieces": {}}, {"prompt_ids": (9, *PROMPT)}, {"prompt_ids": None}],
    ids=["other text", "no pieces", "other prompt", "no prompt"],
)
def test_what_is_not_of_the_prompt_and_the_text_proves_nothing(changes: dict[str, Any]) -> None:
    own = answer(following((*PROMPT, *PARTED)), PARTED, **changes)
    assert (own.scores, own.output_ids) == ((), None)
    found = judged(own)
    assert (found.verdict, found.acceptable) == ("UNPROVEN", True)
    assert "their ids don't write its text" in rungs(found)["scores"].detail


def test_ids_stand_for_no_round_that_gave_another_text() -> None:
    found = judged(answer(), PARTED)
    assert "two shows no token ids" in rungs(found)["greedy"].detail
    assert rungs(found)["text"].state == "differs"


def test_nothing_is_known_after_an_end_token_that_the_server_may_not_choose() -> None:
    rows = swapped(SPOKEN, PLACE, 0, 5.0)
    own = answer(rows, identity=PAST_END)
    assert (len(own.scores), own.output_ids) == (PLACE, None)
    found = judged(own, settings={"past_end": True})
    assert (found.verdict, found.acceptable) == ("UNPROVEN", True)
    assert rungs(found)["scores"].state == "same"


def test_an_end_token_that_is_passed_over_at_once_is_named_as_a_cause() -> None:
    found = judged(answer(swapped(SPOKEN, 0, 0, 5.0), identity=PAST_END), settings={"past_end": True})
    assert "its likeliest first token is an end token" in rungs(found)["scores"].detail


def test_an_end_token_that_the_server_may_choose_and_passes_over_contradicts_its_answer() -> None:
    own = answer(swapped(SPOKEN, PLACE, 0, 5.0))
    assert own.output_ids == CONTINUATION
    found = judged(own)
    assert (found.verdict, "its own scores prefer 0 by 5 nats" in found.sentence) == ("WRONG", True), found.sentence


@pytest.mark.parametrize("shown", ["w�5", "w��5", "w5"])
def test_a_broken_character_is_written_in_any_way(shown: str) -> None:
    pieces = {**PIECES, CONTINUATION[0]: b" w\xf0\x9f5"}
    text = text_of(CONTINUATION).replace("w5", shown, 1)
    assert answer(text=text, pieces=pieces).output_ids == CONTINUATION


def test_an_answer_that_stops_at_its_end_token_shows_it() -> None:
    ids = (*CONTINUATION[:PLACE], 0)
    rows = swapped(SPOKEN, PLACE, 0, 5.0)[: len(PROMPT) + PLACE]
    assert answer(rows, ids).shows_end


def test_an_answer_may_come_as_late_as_the_whole_trial_may_end() -> None:
    limits = limits_of_score(Limits(), 1024, own=True)
    assert limits.first_token_s == limits.total_s == 2 * Limits().total_s


def halved(rows: Sequence[Scored], bits: int = 8, less: float = 0.0) -> tuple[Scored, ...]:
    """The log-probabilities as a program shows them that computes in 16 bits, by a log-sum-exp that is `less` nats too
    small."""

    def cut(exact: float) -> float:
        value = min(exact + less, 0.0)
        step = math.ldexp(1.0, math.frexp(value)[1] - bits) if value else 1.0
        return round(round(value / step) * step, 6)

    return tuple(s.but(logprob=cut(s.logprob), top=tuple((k, cut(v)) for k, v in s.top)) for s in rows)


CERTAIN = [[4.5 * (k == 39) + 1.5 * x for k, x in enumerate(row)] for row in SPOKEN]
"""In which two tokens of each position have almost all of the probability."""


@pytest.mark.parametrize(("bits", "less"), [(8, 0.0), (11, 0.0), (8, 0.0625), (8, -0.0625)])
def test_log_probabilities_of_16_bits_are_told_and_blame_nobody(bits: int, less: float) -> None:
    rows = CERTAIN if less else [[x * 0.5 for x in row] for row in SPOKEN]
    exact = answer(rows)
    coarse = exact.but(scores=halved(exact.scores, bits, less))
    assert (bits_of(exact.scores), bits_of(coarse.scores)) == (None, bits)
    found = judged(coarse, baseline=rows, kind="BF16")
    assert found.verdict in ("EQUIVALENT", "UNPROVEN"), found.sentence


def test_a_figure_that_is_a_number_of_16_bits_by_chance_shows_nothing() -> None:
    rows = [s.but(logprob=-0.5, top=((s.id, -0.5), (s.id + 1, -14.0))) for s in answer(CERTAIN).scores]
    assert bits_of(rows) is None


@pytest.mark.parametrize(("less", "wrong"), [(0.0625, False), (0.25, True)])
def test_probabilities_may_add_up_to_what_16_bits_make_of_them(less: float, wrong: bool) -> None:
    rows = halved(answer(CERTAIN).scores, less=less)
    shown: list[Event] = [
        ScoredPosition(t_ns=1, position=s.position, id=s.id, logprob=s.logprob, top=list(s.top)) for s in rows
    ]
    said = unanswered(ASKED, [*shown, Bye(t_ns=2, reason="scored")])
    assert (said is not None and "add up to more than 1" in said) is wrong, said
