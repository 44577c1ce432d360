"""What a runtime computed beside the baseline: each rung of the ladder, and each verdict with its evidence."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from spoken import (
    CONTINUATION,
    LEAD,
    PROMPT,
    SEQUENCE,
    SPOKEN,
    Logits,
    following,
    generated,
    noisy,
    score_trial,
    swapped,
)

from parity.outputs import Compared, judge_outputs
from parity.outputs.distances import distances
from parity.outputs.floors import FOUR_BITS, Floor, floor_of, of_largest
from parity.outputs.tolerance import BLAMED, PASSES, tolerance_of
from parity.records import Departure, Failure, Identity, OutputVerdict, Rung, Scalar, Trial, TrialKind

Q4 = {"Q4_1": 210, "F32": 61}
PLACE, OTHER = 10, 39
"""Where continuations part in these tests, and the token that the other side takes there."""

PARTED = (*CONTINUATION[:PLACE], OTHER, *CONTINUATION[:13])
OWN = (*PROMPT, *PARTED)


def tie(rows: Logits = SPOKEN, by: float = 0.1) -> Logits:
    """The logits in which the second token comes this close to the sequence's own at a place of the continuation."""
    return swapped(rows, PLACE, OTHER, -by)


def own_logits(*, worst: float = 0.0) -> Logits:
    """Those by which the parted continuation is the likeliest; its last token but one is behind by so many nats."""
    rows = following(OWN)
    rows[-2][0] = LEAD + worst
    return rows


def own_answer(*, worst: float = 0.0) -> Trial:
    """The trial in which `two` scores what it generated where it parted."""
    return score_trial("two", own_logits(worst=worst), OWN, number=2)


def judged(
    trials: Sequence[Trial],
    scored: Mapping[str, Logits | None] | Sequence[Trial] = (),
    *,
    declared: Mapping[str, str] | None = None,
    greedy: bool = True,
    quantisation: Mapping[str, int] = Q4,
    not_begun: Mapping[tuple[str, TrialKind, int], str] | None = None,
) -> OutputVerdict:
    """The verdict on `two` beside the baseline `one`. `scored`: runtime → what it scored of the sequence, or trials."""
    if isinstance(scored, Mapping):
        scored = [score_trial(runtime, rows) for runtime, rows in scored.items()]
    found = judge_outputs(
        Compared(
            model="m",
            test="t",
            baseline="one",
            trials=trials,
            scored=scored,
            greedy=greedy,
            quantisation=quantisation,
            declared={"two": declared or {}},
            not_begun=not_begun or {},
        ),
        "two",
    )
    assert found is not None
    return found


def rung(found: OutputVerdict, name: str) -> Rung:
    return next(rung for rung in found.rungs if rung.name == name)


ALIKE = [*generated("one"), *generated("two")]
PARTING = [*generated("one"), *generated("two", PARTED)]


NEAR_TIE = [score_trial("one", tie()), score_trial("two", swapped(SPOKEN, PLACE, OTHER, 0.1))]


# the same


def test_the_same_ids_and_log_probabilities_are_identical() -> None:
    found = judged(ALIKE, {"one": SPOKEN, "two": SPOKEN})
    assert found.verdict == "IDENTICAL"
    assert {r.name: r.state for r in found.rungs} == {"prompt": "same", "greedy": "same", "scores": "same"}
    assert found.counts
    assert found.first_difference is None
    assert found.needed == pytest.approx(0, abs=1e-6)


def test_the_same_ids_are_identical_where_nothing_is_scored_and_the_rung_says_why() -> None:
    found = judged(ALIKE, scored=[score_trial("one", SPOKEN)])
    assert found.verdict == "IDENTICAL"
    assert found.sentence == "all 24 token ids are the same"
    assert rung(found, "scores").state == "not shown"
    assert rung(found, "scores").detail.startswith("two was not asked to score the sequence: it can't")
    assert "one was not asked to score" in rung(judged(ALIKE), "scores").detail


def test_the_same_ids_with_log_probabilities_within_the_tolerance_are_equivalent() -> None:
    found = judged(ALIKE, {"one": SPOKEN, "two": noisy(SPOKEN, 0.05)})
    assert found.verdict == "EQUIVALENT"
    assert rung(found, "scores").state == "within"
    assert found.distances is not None
    assert 0 < found.distances.mean_kl < FOUR_BITS.mean_kl
    assert found.needed is not None
    assert 0 < found.needed < 1


# a flip


def test_a_flip_at_a_near_tie_by_the_scores_of_both_is_equivalent() -> None:
    found = judged(PARTING, [*NEAR_TIE, own_answer()])
    assert found.verdict == "EQUIVALENT", found.sentence
    assert rung(found, "greedy").state == "within"
    at = found.first_difference
    assert at is not None
    assert (at.at, at.unit, at.position) == (PLACE + 1, "token", len(PROMPT) + PLACE)
    assert (at.theirs, at.ours) == (str(CONTINUATION[PLACE]), str(OTHER))
    assert at.their_margin is not None
    assert at.our_margin is not None
    assert (at.their_margin.nats, at.our_margin.nats) == pytest.approx((0.1, 0.1), abs=1e-5)
    assert [token for token, _ in at.their_top[:2]] == [CONTINUATION[PLACE], OTHER]
    assert [token for token, _ in at.our_top[:2]] == [OTHER, CONTINUATION[PLACE]]


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ((), "what follows token 11 of two was not checked"),
        ((score_trial("two", None, OWN, number=2),), "of two was not checked (crash: it died)"),
        ((score_trial("two", SPOKEN, number=2),), "what follows token 11 of two was not checked"),
    ],
    ids=["not asked", "failed", "another answer"],
)
def test_a_flip_after_which_nothing_was_scored_proves_nothing(own: tuple[Trial, ...], said: str) -> None:
    found = judged(PARTING, [*NEAR_TIE, *own], declared={"outputs": "is known"})
    assert found.verdict == "UNPROVEN"
    assert said in found.sentence
    assert not found.counts


def test_a_choice_after_a_flip_that_its_own_scores_contradict_is_wrong() -> None:
    found = judged(PARTING, [*NEAR_TIE, own_answer(worst=6.0)])
    assert found.verdict == "WRONG"
    assert f"two generated {PARTED[-2]} as token 23, and its own scores prefer 0 by 6 nats" in found.sentence
    assert judged(PARTING, [*NEAR_TIE, own_answer(worst=2.6)]).verdict == "UNPROVEN"


def test_an_attempt_that_succeeded_counts_beside_a_later_one_that_failed() -> None:
    again = [t.but(attempt=2) for t in (score_trial("one", None), score_trial("two", None))]
    assert judged(PARTING, [*NEAR_TIE, own_answer(), *again]).verdict == "EQUIVALENT"


def test_a_flip_to_a_token_that_is_not_listed_is_not_called_far_from_a_tie() -> None:
    rows = [[0.0] * 40 for _ in SEQUENCE[1:]]
    for row, token in zip(rows, SEQUENCE[1:], strict=True):
        row[token] = 0.2
    found = judged(PARTING, [score_trial("one", rows), score_trial("two", swapped(rows, PLACE, OTHER, 0.1))])
    assert found.verdict == "UNPROVEN"
    assert "one prefers its own by at least 0.2 nats" in found.sentence
    assert "the other token is not listed" in found.sentence
    assert "more than" not in found.sentence


def test_a_flip_far_from_a_tie_is_wrong() -> None:
    found = judged(PARTING, {"one": SPOKEN, "two": swapped(SPOKEN, PLACE, OTHER, 3.0)})
    assert found.verdict == "WRONG"
    assert "the ids agree for 10 of 24 tokens; token 11 is 15 for one and 39 for two" in found.sentence
    assert not found.counts


def test_a_flip_between_a_near_tie_and_far_from_one_proves_nothing_and_no_declaration_covers_it() -> None:
    found = judged(PARTING, {"one": tie(by=2.6)}, declared={"outputs": "is known"})
    assert found.verdict == "UNPROVEN"
    assert "too little to call it wrong" in found.sentence
    assert not found.acceptable
    assert not found.counts


def test_a_flip_that_nobody_scored_proves_nothing_and_no_declaration_covers_it() -> None:
    found = judged(PARTING, declared={"outputs": "is known"})
    assert found.verdict == "UNPROVEN"
    assert "no scores show how close they are" in found.sentence
    assert not found.counts


def test_a_flip_at_a_near_tie_by_the_baselines_scores_alone_is_unproven_and_no_declaration_covers_it() -> None:
    found = judged(PARTING, {"one": tie(), "two": None}, declared={"outputs": "it can't score"})
    assert found.verdict == "UNPROVEN"
    assert "but two failed to score the sequence" in found.sentence
    assert found.sentence.count("failed to score") == 1
    assert not found.acceptable


def test_a_flip_far_from_a_tie_by_the_baselines_scores_alone_is_wrong() -> None:
    assert judged(PARTING, {"one": SPOKEN}).verdict == "WRONG"


def test_a_flip_to_a_token_that_the_baseline_does_not_list_has_a_margin_of_at_least_what_it_lists() -> None:
    rows = [list(row) for row in SPOKEN]
    rows[len(PROMPT) - 1 + PLACE][OTHER] = -9.0
    at = judged(PARTING, {"one": rows, "two": swapped(SPOKEN, PLACE, OTHER, 3.0)}).first_difference
    assert at is not None
    assert at.their_margin is not None
    assert at.their_margin.at_least
    assert 4 < at.their_margin.nats < 13


def test_continuations_of_different_lengths_are_compared_over_what_both_have() -> None:
    found = judged([*generated("one"), *generated("two", CONTINUATION[:20])])
    assert found.verdict == "UNPROVEN"
    assert "the ids agree for all 20 tokens that both generated, of 24" in found.sentence
    assert "nothing shows that two ended at an end token" in found.sentence
    assert not found.acceptable


@pytest.mark.parametrize(
    ("theirs", "ours", "acceptable"),
    [
        (generated("one"), generated("two", CONTINUATION[:20], ended=True, shows_end=True), True),
        (generated("one", ended=True, shows_end=True), generated("two", CONTINUATION[:23], ended=True), True),
        (generated("one", CONTINUATION[:20], ended=True, shows_end=True), generated("two"), True),
        (generated("one", ended=True, shows_end=True), generated("two", CONTINUATION[:22], ended=True), False),
        (generated("one"), generated("two", CONTINUATION[:1], ended=True), False),
    ],
    ids=["at a shown end", "before the end token", "printed on", "two before it", "at an end that is not shown"],
)
def test_a_shorter_continuation_may_be_declared_where_it_ended_at_an_end_token(
    theirs: list[Trial], ours: list[Trial], acceptable: bool
) -> None:
    found = judged([*theirs, *ours])
    assert (found.verdict, found.acceptable) == ("UNPROVEN", acceptable)


@pytest.mark.parametrize(("rule", "verdict"), [("end token or token budget", "WRONG"), ("token budget", "UNPROVEN")])
@pytest.mark.parametrize("short", ["one", "two"])
def test_a_runtime_that_stops_at_end_tokens_has_the_same_ones(short: str, rule: str, verdict: str) -> None:
    trials = [
        trial
        for name in ("one", "two")
        for trial in generated(
            name,
            CONTINUATION[:20] if name == short else CONTINUATION,
            ended=name == short,
            shows_end=name == short,
            settings={"stop_rule": rule},
        )
    ]
    found = judged(trials)
    assert found.verdict == verdict
    assert ("an end token that is none for" in found.sentence) == (verdict == "WRONG")


def test_few_ids_prove_nothing_unless_they_are_scored() -> None:
    ids = CONTINUATION[:7]
    trials = [*generated("one", ids), *generated("two", ids)]
    found = judged(trials)
    assert (found.verdict, found.acceptable) == ("UNPROVEN", True)
    assert "but only 7 tokens were compared" in found.sentence
    sequence = (*PROMPT, *ids)
    scored = [score_trial(name, SPOKEN[: len(sequence) - 1], sequence) for name in ("one", "two")]
    assert judged(trials, scored).verdict == "IDENTICAL"
    single = judged([*generated("one", ids[:1]), *generated("two", ids[:1])])
    assert "the only token id is the same, but only 1 token was compared" in single.sentence


@pytest.mark.parametrize("silent", ["one", "two"])
@pytest.mark.parametrize("kind", ["crash", "hang:generation", "parse"])
def test_a_runtime_that_fails_to_score_proves_nothing(silent: str, kind: str) -> None:
    scored = [score_trial(name, None if name == silent else SPOKEN, failure=kind) for name in ("one", "two")]
    found = judged(ALIKE, scored, declared={"outputs": "it can't score"})
    assert found.verdict == "UNPROVEN"
    assert f"{silent} failed to score the sequence ({kind}: it died)" in found.sentence
    assert not found.counts


# a runtime's own scores


def test_a_runtime_whose_own_scores_contradict_what_it_generated_is_wrong() -> None:
    found = judged(PARTING, {"one": SPOKEN, "two": SPOKEN})
    assert found.verdict == "WRONG"
    assert f"two generated {OTHER} as token 11, and its own scores prefer {CONTINUATION[PLACE]}" in found.sentence


@pytest.mark.parametrize(
    "ids",
    [(*CONTINUATION[:5], *CONTINUATION[6:], 1), (*CONTINUATION[:5], *CONTINUATION[4:-1])],
    ids=["a dropped token", "a repeated token"],
)
def test_a_faulty_stream_contradicts_the_runtimes_own_scores(ids: tuple[int, ...]) -> None:
    found = judged([*generated("one"), *generated("two", ids)], {"one": SPOKEN, "two": SPOKEN})
    assert found.verdict == "WRONG"
    assert "did not take the likeliest token" in found.sentence


def test_an_implementation_is_not_blamed_for_a_baseline_that_contradicts_itself() -> None:
    found = judged([*generated("one", PARTED), *generated("two")], {"one": SPOKEN, "two": SPOKEN})
    assert found.verdict == "UNPROVEN"
    assert f"one generated {OTHER} as token 11" in found.sentence
    assert not found.acceptable
    assert rung(found, "greedy").state == "not shown"
    assert rung(found, "scores").state == "same"


def test_an_implementation_is_not_blamed_for_distances_to_a_baseline_that_contradicts_itself() -> None:
    found = judged([*generated("one", PARTED), *generated("two")], {"one": SPOKEN, "two": noisy(SPOKEN, 1.0)})
    assert (found.verdict, found.acceptable) == ("UNPROVEN", False)
    assert "times the tolerance" in found.sentence
    own = judged([*generated("one", PARTED), *generated("two", PARTED)], {"one": SPOKEN, "two": SPOKEN})
    assert own.verdict == "WRONG"


CHANGED = Departure(fact="changed", sentence="its program p was changed while the run went on")


def test_an_implementation_is_not_blamed_beside_a_baseline_whose_program_changed() -> None:
    trials = [*generated("one", departures=(CHANGED,)), *generated("two", PARTED)]
    found = judged(trials, {"one": SPOKEN})
    assert (found.verdict, found.acceptable) == ("UNPROVEN", False)
    scored = [score_trial("one", SPOKEN, departures=(CHANGED,)), score_trial("two", noisy(SPOKEN, 1.0))]
    found = judged(ALIKE, scored)
    assert (found.verdict, found.acceptable) == ("UNPROVEN", False)
    assert "one: its program p was changed" in found.sentence


def test_the_sequence_may_be_that_of_the_implementation_alone() -> None:
    """A baseline that shows text only scores nothing of its own; the implementation's own choice is judged."""
    trials = [*generated("one", None, text="a b c"), *generated("two", PARTED, text="a b c")]
    assert judged(trials, {"two": SPOKEN}).verdict == "WRONG"
    assert judged([*trials[:3], *generated("two", text="a b c")], {"two": SPOKEN}).verdict == "UNPROVEN"


# determinism, prompt, weights


def test_a_greedy_runtime_that_gives_other_ids_in_a_round_is_wrong() -> None:
    odd = [t.but(output_ids=PARTED) if t.round == 2 else t for t in generated("two")]
    found = judged([*generated("one"), *odd], {"one": SPOKEN, "two": SPOKEN})
    assert found.verdict == "WRONG"
    assert "two is not deterministic: round 2 of 3 gave other token ids than round 1" in found.sentence


@pytest.mark.parametrize(("by", "verdict"), [(0.001, "UNPROVEN"), (2.6, "UNPROVEN"), (6.0, "WRONG")])
def test_rounds_that_part_at_a_near_tie_by_the_runtimes_own_scores_are_not_wrong(by: float, verdict: str) -> None:
    odd = [t.but(output_ids=PARTED) if t.round == 2 else t for t in generated("two")]
    found = judged([*generated("one"), *odd], {"one": tie(by=by), "two": tie(by=by)})
    assert found.verdict == verdict
    assert not found.acceptable
    assert ("at a near-tie by its own scores (0.001 nats)" in found.sentence) == (by == 0.001)


def test_white_space_is_no_different_output_and_text_is_none_where_ids_are_shown() -> None:
    texts = {1: "a b", 2: "a  b\n", 3: "a b"}
    spaced = [t.but(text=texts[t.round]) for t in generated("two", None)]
    assert judged([*generated("one", text="a b"), *spaced]).acceptable
    shown = [t.but(text="x" if t.round == 2 else "a b") for t in generated("two")]
    assert judged([*generated("one", text="a b"), *shown]).verdict == "IDENTICAL"


def test_an_implementation_is_not_blamed_for_a_baseline_that_varies() -> None:
    odd = [t.but(output_ids=PARTED) if t.round == 2 else t for t in generated("one")]
    found = judged([*odd, *generated("two", PARTED)])
    assert (found.verdict, found.acceptable) == ("UNPROVEN", False)
    assert "one is not deterministic" in found.sentence


def test_other_prompt_ids_are_wrong_unless_declared() -> None:
    trials = [*generated("one"), *generated("two", prompt=(9, *PROMPT))]
    found = judged(trials)
    assert found.verdict == "WRONG"
    assert "the prompt ids differ (4 tokens and 5)" in found.sentence
    declared = judged(trials, declared={"prompt": "it adds a begin token", "outputs": "so they differ"})
    assert declared.verdict == "UNPROVEN"
    assert "it adds a begin token" in declared.sentence
    assert declared.is_accepted


def test_prompts_of_different_lengths_differ_though_a_side_shows_no_ids() -> None:
    longer = [t.but(prompt_ids=None) for t in generated("two", prompt=(9, *PROMPT))]
    counted = [t.but(identity=t.identity.but(prompt_ids_sha256=None)) for t in longer if t.identity is not None]
    found = judged([*generated("one"), *counted], declared={"outputs": "is known"})
    assert rung(found, "prompt").state == "differs"
    assert "the prompts differ in length (4 tokens and 5" in found.sentence
    assert found.verdict == "UNPROVEN"
    assert not found.counts
    assert judged([*generated("one"), *counted], declared={"prompt": "a begin token"}).acceptable


def test_other_weights_say_nothing_of_the_runtime() -> None:
    departure = Departure(fact="weights", sentence="it ran other weights than the test's model")
    found = judged([*generated("one"), *generated("two", PARTED, departures=(departure,))])
    assert found.verdict == "UNPROVEN"
    assert "other weights" in found.sentence
    assert not found.acceptable


# log-probabilities


def test_distances_far_beyond_the_tolerance_are_drift() -> None:
    found = judged(ALIKE, {"one": SPOKEN, "two": noisy(SPOKEN, 0.5)})
    assert found.verdict == "DRIFT"
    assert "times the tolerance" in found.sentence
    assert found.needed is not None
    assert found.needed > BLAMED / PASSES


def test_the_smallest_tolerance_that_would_have_passed_is_said_in_nats() -> None:
    found = judged(ALIKE, {"one": SPOKEN, "two": noisy(SPOKEN, 0.5)})
    assert found.would_pass is not None
    assert found.distances is not None
    figures = found.distances
    assert found.would_pass.mean_kl == figures.mean_kl
    assert (found.would_pass.p99_kl, found.would_pass.delta) == (figures.p99_kl, figures.largest_delta)
    flip = judged(PARTING, {"one": SPOKEN, "two": swapped(SPOKEN, PLACE, OTHER, 3.0)})
    at = flip.first_difference
    assert at is not None
    assert at.their_margin is not None
    assert flip.would_pass is not None
    assert flip.would_pass.delta == pytest.approx((at.their_margin.nats + 3.0) / 2, abs=1e-5)
    assert judged(ALIKE).would_pass is None


def test_what_would_have_passed_counts_growth() -> None:
    grown = judged(ALIKE, {"one": SPOKEN, "two": noisy(SPOKEN, 0.15, seed=3, grows=True)})
    assert grown.verdict == "UNPROVEN"
    assert grown.distances is not None
    assert grown.would_pass is not None
    assert grown.would_pass.mean_kl == grown.distances.late_kl
    assert grown.needed is not None
    assert grown.needed > 1


def test_the_position_that_lies_farthest_apart_has_both_lists() -> None:
    found = judged(ALIKE, {"one": SPOKEN, "two": swapped(SPOKEN, PLACE, OTHER, 2.0)}).widest
    assert found is not None
    assert (found.position, found.id) == (len(PROMPT) + PLACE, CONTINUATION[PLACE])
    assert (found.their_top[0][0], found.our_top[0][0]) == (CONTINUATION[PLACE], OTHER)
    assert found.theirs - found.ours == pytest.approx(2.0, abs=0.2)


def test_distances_between_the_tolerance_and_drift_prove_nothing() -> None:
    found = judged(ALIKE, {"one": SPOKEN, "two": noisy(SPOKEN, 0.25)})
    assert found.verdict == "UNPROVEN", found.sentence
    assert "too little to call it drift" in found.sentence
    assert not found.acceptable


def test_distances_that_grow_are_drift_beyond_what_drift_is_and_prove_nothing_below() -> None:
    size = 0.15
    for most, verdict in ((size, "UNPROVEN"), (0.35, "DRIFT")):
        grown = judged(ALIKE, {"one": SPOKEN, "two": noisy(SPOKEN, most, seed=3, grows=True)})
        assert grown.verdict == verdict, grown.sentence
        assert not grown.acceptable
        assert "it grows with position" in grown.sentence
    even = judged(ALIKE, {"one": SPOKEN, "two": noisy(SPOKEN, size, seed=3)})
    assert even.verdict == "EQUIVALENT", even.sentence


def test_one_ordinary_position_of_a_short_sequence_is_no_drift() -> None:
    """A divergence that is common among some hundred positions carries the mean of a few."""
    few = SEQUENCE[:6]
    trials = [*generated("one", few[4:]), *generated("two", few[4:])]
    flat = [list(row) for row in SPOKEN[:5]]
    odd = swapped(flat, 0, OTHER, -1.1)
    scored = [score_trial("one", flat, few), score_trial("two", odd, few)]
    found = judged(trials, scored)
    assert found.distances is not None
    assert BLAMED * FOUR_BITS.mean_kl < found.distances.mean_kl
    assert found.distances.p99_kl < BLAMED * FOUR_BITS.p99_kl
    assert found.verdict == "UNPROVEN", found.sentence


def test_lists_that_share_little_of_the_probability_prove_nothing() -> None:
    flat = [[0.0] * 40 for _ in SEQUENCE[1:]]
    found = judged(ALIKE, {"one": flat, "two": [[x + 0.001 * (k % 2) for k, x in enumerate(row)] for row in flat]})
    assert (found.verdict, found.acceptable) == ("UNPROVEN", False)
    assert "lies outside the tokens that both sides list" in found.sentence


def test_lists_of_other_tokens_are_not_identical() -> None:
    """At a position of the prompt, each side finds a token likeliest that the other one does not list."""
    one, two = swapped(SPOKEN, -2, 38, 5.0), swapped(SPOKEN, -2, 39, 5.0)
    found = judged(ALIKE, {"one": one, "two": two})
    assert found.distances is not None
    assert found.distances.largest_delta == 0
    assert found.verdict not in ("IDENTICAL", "EQUIVALENT")


def test_a_witness_far_from_the_baseline_is_named_instead_of_blaming_the_runtime() -> None:
    trials = [*ALIKE, *generated("three")]
    found = judged(trials, {"one": SPOKEN, "two": noisy(SPOKEN, 0.5), "three": noisy(SPOKEN, 1.0, seed=7)})
    assert found.verdict == "UNPROVEN"
    assert "one and three differ from each other" in found.sentence
    assert "they disagree more than two does with the baseline" in found.sentence
    assert not found.acceptable


def test_beside_a_baseline_that_others_differ_from_as_much_the_reason_is_said() -> None:
    trials = [*ALIKE, *generated("three")]
    scored = {"one": noisy(SPOKEN, 1.0, seed=7), "two": noisy(SPOKEN, 0.1, seed=3), "three": SPOKEN}
    found = judged(trials, scored)
    assert (found.verdict, found.acceptable) == ("UNPROVEN", False)
    assert "and too little to call it drift, because one and three differ from each other by" in found.sentence
    alone = judged(ALIKE, {"one": SPOKEN, "two": noisy(SPOKEN, 0.22)})
    assert alone.verdict == "UNPROVEN"
    assert "1.16 times the tolerance, and too little to call it drift; " in alone.sentence


def test_at_a_flip_beside_such_a_baseline_too() -> None:
    trials = [*PARTING, *generated("three")]
    two = swapped(SPOKEN, PLACE, OTHER, 3.0)
    found = judged(trials, {"one": noisy(SPOKEN, 1.0, seed=7), "two": two, "three": two})
    assert found.verdict == "UNPROVEN", found.sentence
    assert "too little to call it wrong, because one and three differ from each other by" in found.sentence


def test_a_witness_close_to_the_baseline_does_not_excuse_drift() -> None:
    trials = [*ALIKE, *generated("three")]
    found = judged(trials, {"one": SPOKEN, "two": noisy(SPOKEN, 0.5), "three": noisy(SPOKEN, 0.02, seed=7)})
    assert found.verdict == "DRIFT"
    assert found.tolerance is not None
    assert found.tolerance.farthest == "one and three"


def test_witnesses_that_differ_honestly_widen_the_tolerance() -> None:
    scored = {"one": SPOKEN, "two": noisy(SPOKEN, 0.22), "three": noisy(SPOKEN, 0.25, seed=7)}
    found = judged([*ALIKE, *generated("three")], scored)
    assert found.tolerance is not None
    assert found.tolerance.references is not None
    widened = found.tolerance.allowed.mean_kl
    assert PASSES * FOUR_BITS.mean_kl < widened == found.tolerance.references.mean_kl < BLAMED * FOUR_BITS.mean_kl
    assert "between other runtimes of this run" in found.tolerance.source
    assert found.verdict == "EQUIVALENT", found.sentence


@pytest.mark.parametrize("program", ["two", "three"])
def test_a_copy_of_the_suspect_does_not_widen_the_tolerance(program: str) -> None:
    """An engine under a second name has the same fault."""
    scored = {"one": SPOKEN, "two": noisy(SPOKEN, 0.22), "three": noisy(SPOKEN, 0.22)}
    found = judged([*ALIKE, *generated("three", program=program)], scored)
    assert found.verdict == ("UNPROVEN" if program == "two" else "EQUIVALENT")
    assert not found.acceptable


def test_an_engine_without_a_name_does_not_widen_the_tolerance() -> None:
    unnamed = [t.but(identity=t.identity.but(runtime=None)) for t in generated("three") if t.identity is not None]
    scored = {"one": SPOKEN, "two": noisy(SPOKEN, 0.22), "three": noisy(SPOKEN, 0.25, seed=7)}
    assert judged([*ALIKE, *unnamed], scored).verdict == "UNPROVEN"


def test_a_witness_at_fault_does_not_widen_the_tolerance() -> None:
    scored = {"one": SPOKEN, "two": noisy(SPOKEN, 0.05), "three": noisy(SPOKEN, 1.0, seed=7)}
    found = judged([*ALIKE, *generated("three")], scored)
    assert found.tolerance is not None
    assert found.tolerance.allowed.mean_kl == PASSES * FOUR_BITS.mean_kl
    assert found.verdict == "EQUIVALENT"
    assert "they disagree more than two does with the baseline" in found.sentence


def test_no_witness_excuses_a_runtime_that_contradicts_its_own_scores() -> None:
    trials = [*PARTING, *generated("three")]
    assert judged(trials, {"one": SPOKEN, "two": SPOKEN, "three": noisy(SPOKEN, 2.0)}).verdict == "WRONG"


# no greedy mode, and text


def test_a_test_that_samples_proves_nothing() -> None:
    found = judged(ALIKE, greedy=False)
    assert found.verdict == "UNPROVEN"
    assert found.sentence == "the test samples its tokens"
    assert found.acceptable


@pytest.mark.parametrize(("ids", "acceptable"), [(CONTINUATION, True), (PARTED, False)])
def test_ids_are_compared_though_the_runtime_samples(ids: Sequence[int], acceptable: bool) -> None:
    found = judged([*generated("one"), *generated("two", ids, sampling="temperature 0.7")])
    assert (found.verdict, found.acceptable) == ("UNPROVEN", acceptable)
    assert "two sampled by temperature 0.7, which is not greedy" in found.sentence
    assert ("token 11 is 15 for one and 39 for two" in found.sentence) == (not acceptable)


def test_texts_that_agree_are_unproven_and_say_for_how_many_words() -> None:
    text = "The answer is four ."
    trials = [*generated("one", text=text), *generated("two", None, text=f" {text}\n", sampling="temperature 0.001")]
    found = judged(trials)
    assert found.verdict == "UNPROVEN"
    assert "two sampled by temperature 0.001, which is not greedy" in found.sentence
    assert "the texts agree for all 5 words" in found.sentence
    assert rung(found, "text").state == "same"
    assert found.acceptable


LONG_TEXT = "The sum of two and two is four, since two things beside two others are four things in all ."
CHINESE = "二加二等于四因为两个东西放在另外两个东西旁边一共就是四个东西" * 4


@pytest.mark.parametrize(
    ("theirs", "ours", "acceptable"),
    [
        (LONG_TEXT, LONG_TEXT[:-4], True),
        (LONG_TEXT, LONG_TEXT[:-6], True),
        (LONG_TEXT, LONG_TEXT[:60], False),
        ("4 is even", "4", False),
        ("4", "4", True),
        (CHINESE, CHINESE[:-3], True),
        (CHINESE, CHINESE[:1], False),
        (CHINESE, CHINESE[:50] + "五" + CHINESE[51:], False),
    ],
)
def test_a_text_agrees_where_it_lacks_little_at_its_end(theirs: str, ours: str, acceptable: bool) -> None:
    found = judged([*generated("one", text=theirs), *generated("two", None, text=ours)])
    assert found.acceptable == acceptable, found.sentence
    assert len(found.sentence) < 200


def test_a_difference_in_a_text_without_spaces_is_that_of_a_character() -> None:
    changed = CHINESE[:50] + "五" + CHINESE[51:]
    found = judged([*generated("one", text=CHINESE), *generated("two", None, text=changed)])
    at = found.first_difference
    assert at is not None
    assert (at.at, at.unit, at.ours[0]) == (51, "character", "五")


def test_a_program_that_prints_past_the_end_token_is_not_wrong() -> None:
    trials = [*generated("one", text="a b c", ended=True), *generated("two", None, text="a b c d e f g h i j k l m n")]
    found = judged(trials, {"one": SPOKEN})
    assert found.verdict == "UNPROVEN"
    assert "the texts agree for 3 words, where that of one ends at its end token; two printed more" in found.sentence
    # It may take another end token than the model's, so that what follows must be judged by scores.
    assert not found.acceptable
    ignored = [trial.but(met_end=True) for trial in generated("one", text="a b c")]
    assert judged([*ignored, *trials[3:]], {"one": SPOKEN}).acceptable
    early = judged([*generated("one", text="a b c"), *trials[3:]], {"one": SPOKEN})
    assert (early.verdict, early.acceptable) == ("UNPROVEN", False)


def test_a_round_whose_text_differs_counts_though_the_runtime_samples() -> None:
    odd = [
        t.but(text="a b x") if t.round == 3 else t
        for t in generated("two", None, text="a b c", sampling="temperature 0.7")
    ]
    assert not judged([*generated("one", text="a b c"), *odd]).acceptable


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        ("The answer was four .", "the texts differ from word 3 on ('is four .' and 'was four .')"),
        ("The", "the texts agree for 1 word, where that of two ends; that of one has 5"),
    ],
)
def test_texts_that_differ_prove_nothing_and_no_declaration_covers_them(ours: str, said: str) -> None:
    trials = [*generated("one", text="The answer is four ."), *generated("two", None, text=ours)]
    found = judged(trials, declared={"outputs": "it shows no ids"})
    assert found.verdict == "UNPROVEN"
    assert said in found.sentence
    assert not found.counts


def test_texts_that_differ_are_wrong_where_the_baseline_prefers_every_token_by_far() -> None:
    trials = [*generated("one", text="a b c"), *generated("two", None, text="a x c")]
    found = judged(trials, {"one": SPOKEN})
    assert found.verdict == "WRONG"
    assert "no near-tie explains it" in found.sentence
    at = found.first_difference
    assert at is not None
    assert (at.at, at.unit, at.theirs, at.ours) == (2, "word", "b c", "x c")
    assert judged(trials, {"one": tie()}).verdict == "UNPROVEN"


def test_a_greedy_text_that_varies_is_wrong() -> None:
    odd = [t.but(text="a b x") if t.round == 3 else t for t in generated("two", None, text="a b c")]
    found = judged([*generated("one", text="a b c"), *odd])
    assert found.verdict == "WRONG"
    assert "round 3 of 3 gave other text than round 1" in found.sentence


# the same engine


def test_the_same_engine_is_held_to_the_same_ids() -> None:
    trials = [*generated("one", program="engine"), *generated("two", PARTED, program="engine")]
    near = {"one": tie(by=0.001), "two": swapped(SPOKEN, PLACE, OTHER, 0.001)}
    found = judged(trials, near)
    assert found.verdict == "DRIFT"
    assert "both are the same engine" in found.sentence
    scored = {"one": tie(), "two": swapped(SPOKEN, PLACE, OTHER, 0.1)}
    assert judged(trials, scored).verdict == "WRONG"
    checked = [*NEAR_TIE, own_answer()]
    assert judged(trials, checked, declared={"threads": "set in the config"}).verdict == "EQUIVALENT"


@pytest.mark.parametrize(
    ("device", "by", "verdict"),
    [("cpu", 0.001, "DRIFT"), ("cpu", 0.1, "WRONG"), ("cuda", 0.001, "EQUIVALENT"), ("cuda", 0.1, "UNPROVEN")],
)
def test_one_engine_may_flip_at_a_tie_on_a_gpu_alone(device: str, by: float, verdict: str) -> None:
    fields: dict[str, Any] = {"program": "engine", "settings": {"device": device}}
    near = [score_trial("one", tie(by=by)), score_trial("two", swapped(SPOKEN, PLACE, OTHER, by)), own_answer()]
    assert judged([*generated("one", **fields), *generated("two", PARTED, **fields)], near).verdict == verdict


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"version": "2"}, "EQUIVALENT"),
        ({"programs": {"/other/lib.so": "cd"}}, "EQUIVALENT"),
        ({"settings": {"cpu_features": "AVX2"}}, "EQUIVALENT"),
        ({"settings": {"device": "cuda"}}, "EQUIVALENT"),
        ({"settings": {"device": "cpu", "seed": 2, "affinity": "2-3"}}, "WRONG"),
        ({"programs": {"/copy/lib.so": "ab"}}, "WRONG"),
    ],
)
def test_one_engine_is_one_program_under_equal_settings(fields: dict[str, Any], verdict: str) -> None:
    alike: dict[str, Any] = {"settings": {"device": "cpu", "seed": 1, "affinity": "0-1"}, "programs": {"/lib.so": "ab"}}
    sides = [
        *generated("one", program="engine", **alike),
        *generated("two", PARTED, program="engine", **alike | fields),
    ]
    assert judged(sides, [*NEAR_TIE, own_answer()]).verdict == verdict


def test_what_different_engines_differ_by_excuses_nothing_in_one_engine() -> None:
    trials = [*generated("one", program="engine"), *generated("two", program="engine"), *generated("three")]
    scored = {"one": SPOKEN, "two": noisy(SPOKEN, 0.02), "three": noisy(SPOKEN, 0.05, seed=3)}
    found = judged(trials, scored)
    assert found.verdict == "DRIFT"
    assert found.tolerance is not None
    assert found.tolerance.references is None
    assert judged(trials, scored, declared={"threads": "set in the config"}).verdict == "EQUIVALENT"


def test_an_engine_that_scored_under_other_settings_is_not_set_up_alike() -> None:
    trials = [*generated("one", program="engine"), *generated("two", PARTED, program="engine")]
    for kind, verdict in (("f16", "WRONG"), ("q8_0", "EQUIVALENT")):
        one, two = (Identity(weights_sha256=None, settings={"kv_type": k}) for k in ("f16", kind))
        shared = [t.but(identity=ran) for t, ran in zip(NEAR_TIE, (one, two), strict=True)]
        assert judged(trials, [*shared, own_answer()]).verdict == verdict


def test_scores_of_a_device_that_was_not_asked_for_say_nothing() -> None:
    departure = Departure(fact="device", sentence="it ran on cpu, and the config asks for cuda")
    scored = [score_trial("one", SPOKEN), score_trial("two", noisy(SPOKEN, 0.5), departures=(departure,))]
    found = judged(ALIKE, scored)
    assert (found.verdict, found.acceptable) == ("UNPROVEN", False)
    assert "two: it ran on cpu, and the config asks for cuda" in found.sentence


# defaults


@pytest.mark.parametrize(
    ("quantisation", "settings", "delta"),
    [
        ({"F32": 9}, {"kv_type": "f32"}, 2e-5),
        ({"F32": 9}, {"kv_type": "f16"}, 5.6e-3),
        ({"F32": 9}, {}, 5.6e-3),
        ({"F32": 9}, {"kv_type": "f16", "flash_attention": True}, 7e-3),
        ({"F32": 9}, {"kv_type": "q8_0", "flash_attention": True}, 2e-2),
        ({"F32": 9}, {"kv_type": "8 bits in groups of 64"}, 2e-2),
        ({"F32": 9}, {"kv_type": "4 bits in groups of 64"}, 0.61),
        ({"F32": 9}, {"kv_type": "q4_0"}, 0.61),
        ({"F32": 9}, {"kv_type": "bf16"}, 2.5e-2),
        ({"F32": 9}, {"kv_type": "f32", "activation_dtype": "bfloat16"}, 2.5e-2),
        ({"F32": 9, "F16": 30}, {"kv_type": "f32"}, 2.5e-2),
        ({"F32": 9, "Q4_K": 30}, {"kv_type": "f32"}, 0.61),
        ({"F32": 9, "Q8_0": 1, "Q4_0": 30}, {}, 0.47),
        ({"F32": 9, "Q8_0": 30, "Q4_0": 1}, {}, 0.61),
        ({"F32": 9, "Q5_K": 14, "Q4_0": 14}, {}, 0.61),
        ({"F32": 9, "Q4_1": 30}, {"kv_type": "q4_0"}, 0.61),
        ({}, {}, 0.61),
    ],
)
def test_a_default_is_that_of_the_less_exact_side(
    quantisation: dict[str, int], settings: dict[str, Scalar], delta: float
) -> None:
    exact, odd = (Identity(weights_sha256=None, settings=s) for s in ({"kv_type": "f32"}, settings))
    floor = floor_of(quantisation, (exact, odd))
    assert floor.span.delta == delta
    assert floor.source.startswith("measured")


def test_a_default_of_few_positions_calls_nothing_drift_in_proportion_to_more() -> None:
    floor = floor_of({"F32": 9}, (Identity(weights_sha256=None, settings={"kv_type": "f32"}),) * 2)
    assert (floor.over(8).delta, floor.over(2048).delta) == pytest.approx((2e-5, 5.12e-3))
    quantised = floor_of(Q4, ())
    assert quantised.over(2048) == quantised.span


def test_nothing_is_judged_where_a_side_gave_no_result() -> None:
    compared = Compared(model="m", test="t", baseline="one", trials=generated("one"))
    assert judge_outputs(compared, "two") is None


def test_scores_of_a_different_sequence_are_no_scores() -> None:
    other = (*SEQUENCE[:-1], 0)
    compared = Compared(
        model="m",
        test="t",
        baseline="one",
        trials=ALIKE,
        scored=[score_trial("one", SPOKEN), score_trial("two", SPOKEN, other)],
        quantisation=Q4,
    )
    found = judge_outputs(compared, "two")
    assert found is not None
    assert rung(found, "scores").detail == "two scored a different sequence"
    assert (found.verdict, found.acceptable) == ("UNPROVEN", False)


# what the machine and the length of a text do


def test_a_far_pair_of_other_runtimes_does_not_widen_what_passes_over_many_positions() -> None:
    pair = {"one": SPOKEN, "three": noisy(SPOKEN, 0.3, seed=7)}
    scores = {name: score_trial(name, rows).scores for name, rows in pair.items()}
    short = Floor(of_largest(0.01), "measured over one position", positions=1)
    apart = distances(scores["one"], scores["three"], len(PROMPT))
    found = tolerance_of(short, {("one", "three"): apart}, apart.positions)
    assert found.allowed.delta == PASSES * 0.01
    assert found.blamed.delta > BLAMED * 0.01


BUSY = "other programs used 1.50 of 2 CPUs while it ran (limit 0.50)"
MISSING = [
    ("timeout:total", BUSY, f"could not score {{}} on a busy machine (timeout:total: it ended; {BUSY})"),
    ("timeout:total", None, "failed to score {} (timeout:total: it ended)"),
    ("crash:SIGSEGV", None, "failed to score {} (crash:SIGSEGV: it ended)"),
    ("oom", None, "failed to score {} (oom: it ended)"),
    ("unavailable", None, "failed to score {} (unavailable: it ended)"),
    ("refused", None, "failed to score {} (refused: it ended)"),
    ("interrupted", None, "was interrupted before it had scored {}"),
]
"""Why a trial that was due has no result, and what is said of it."""


def failed(trial: Trial, kind: str, void: str | None) -> Trial:
    return trial.but(scores=(), void=void, failure=Failure(kind=kind, message="it ended"))


@pytest.mark.parametrize("silent", ["one", "two"])
@pytest.mark.parametrize(("kind", "void", "said"), MISSING)
def test_a_score_that_was_due_and_is_missing_never_passes(silent: str, kind: str, void: str | None, said: str) -> None:
    scored = [score_trial(name, SPOKEN) for name in ("one", "two")]
    scored = [failed(trial, kind, void) if trial.runtime == silent else trial for trial in scored]
    found = judged(ALIKE, scored, declared={"outputs": "it prints text alone"})
    assert (found.verdict, found.counts) == ("UNPROVEN", False), found.sentence
    assert f"{silent} {said.format('the sequence')}" in found.sentence
    assert rung(found, "scores").detail.startswith(f"{silent} {said.format('the sequence')}")


@pytest.mark.parametrize("silent", ["one", "two"])
def test_a_score_that_was_due_and_never_begun_does_not_pass_either(silent: str) -> None:
    scored = [score_trial(name, SPOKEN) for name in ("one", "two") if name != silent]
    due: dict[tuple[str, TrialKind, int], str] = {(silent, "full", 1): "the run ended before that"}
    found = judged(ALIKE, scored, declared={"outputs": "it prints text alone"}, not_begun=due)
    assert (found.verdict, found.counts) == ("UNPROVEN", False)
    assert f"{silent} was not asked to score the sequence: the run ended before that" in found.sentence


def test_a_good_attempt_counts_beside_those_that_are_void() -> None:
    void = failed(score_trial("two", SPOKEN), "timeout:total", BUSY)
    scored = [score_trial("one", SPOKEN), void, score_trial("two", SPOKEN).but(attempt=2)]
    assert judged(ALIKE, scored).verdict == "IDENTICAL"


@pytest.mark.parametrize(("kind", "void", "said"), MISSING)
def test_its_own_answer_that_was_due_and_is_missing_never_passes(kind: str, void: str | None, said: str) -> None:
    """It goes on where the baseline ended, so that all the others scored is less than what it generated."""
    trials = [*generated("one", CONTINUATION[:20], ended=True, shows_end=True), *generated("two")]
    sequence = (*PROMPT, *CONTINUATION[:20])
    both = [score_trial(name, SPOKEN[: len(sequence) - 1], sequence) for name in ("one", "two")]
    own = score_trial("two", SPOKEN, number=2)
    declared = {"outputs": "it ignores the end token"}
    assert judged(trials, [*both, own], declared=declared).counts
    found = judged(trials, [*both, failed(own, kind, void)], declared=declared)
    assert (found.verdict, found.counts) == ("UNPROVEN", False)
    assert f"two {said.format('its own answer')}" in found.sentence
    due: dict[tuple[str, TrialKind, int], str] = {("two", "full", 2): "the run ended before that"}
    assert not judged(trials, both, declared=declared, not_begun=due).counts


@pytest.mark.parametrize(("void", "verdict"), [(BUSY, "UNPROVEN"), (None, "WRONG")])
def test_rounds_are_not_called_wrong_for_scores_that_the_machine_kept_back(void: str | None, verdict: str) -> None:
    odd = [t.but(output_ids=PARTED) if t.round == 2 else t for t in generated("two")]
    silent = failed(score_trial("two", SPOKEN), "timeout:total", void)
    found = judged([*generated("one"), *odd], [score_trial("one", SPOKEN), silent])
    assert (found.verdict, found.acceptable) == (verdict, False)
    assert ("nothing shows how close the tokens were" in found.sentence) == (void is not None)


def test_a_program_that_prints_past_an_ignored_end_token_is_not_blamed_for_it() -> None:
    ours = generated("two", None, text="The answer is four . And what is three plus three ?")
    stopped = [trial.but(met_end=True) for trial in generated("one", text="The answer is four .")]
    assert judged([*stopped, *ours]).acceptable
    assert not judged([*generated("one", text="The answer is four ."), *ours]).acceptable


@pytest.mark.parametrize(("theirs", "ours", "agrees"), [("Okay,", "Okay", True), ("4 is", "4", False)])
def test_a_cut_of_a_short_text_needs_something_in_common(theirs: str, ours: str, agrees: bool) -> None:
    found = judged([*generated("one", text=theirs), *generated("two", None, text=ours)])
    assert found.acceptable == agrees, found.sentence
