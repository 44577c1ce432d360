"""What a runtime computed beside the baseline: each rung of the ladder, and each verdict with its evidence."""

from collections.abc import Mapping, Sequence

import pytest
from spoken import (
    CONTINUATION,
    PROMPT,
    SEQUENCE,
    SPOKEN,
    Logits,
    generated,
    noisy,
    score_trial,
    swapped,
)

from parity.outputs import Compared, judge_outputs
from parity.outputs.tolerance import BLAMED, PASSES, QUANTISED, floor_of
from parity.records import Departure, Identity, OutputVerdict, Rung, Scalar, Trial

Q4 = {"Q4_1": 210, "F32": 61}
PLACE, OTHER = 10, 39
"""Where continuations part in these tests, and the token that the other side takes there."""

PARTED = (*CONTINUATION[:PLACE], OTHER, *CONTINUATION[:13])


def tie(rows: Logits = SPOKEN, by: float = 0.1) -> Logits:
    """The logits in which the second token comes this close to the sequence's own at a place of the continuation."""
    return swapped(rows, PLACE, OTHER, -by)


def judged(
    trials: Sequence[Trial],
    scored: Mapping[str, Logits | None] | None = None,
    *,
    declared: Mapping[str, str] | None = None,
    greedy: bool = True,
    quantisation: Mapping[str, int] = Q4,
) -> OutputVerdict:
    """The verdict on `two` beside the baseline `one`."""
    found = judge_outputs(
        Compared(
            model="m",
            test="t",
            baseline="one",
            trials=trials,
            scored=[score_trial(runtime, rows) for runtime, rows in (scored or {}).items()],
            greedy=greedy,
            quantisation=quantisation,
            declared={"two": declared or {}},
        ),
        "two",
    )
    assert found is not None
    return found


def rung(found: OutputVerdict, name: str) -> Rung:
    return next(rung for rung in found.rungs if rung.name == name)


ALIKE = [*generated("one"), *generated("two")]
PARTING = [*generated("one"), *generated("two", PARTED)]


# the same


def test_the_same_ids_and_log_probabilities_are_identical() -> None:
    found = judged(ALIKE, {"one": SPOKEN, "two": SPOKEN})
    assert found.verdict == "IDENTICAL"
    assert {r.name: r.state for r in found.rungs} == {"prompt": "same", "greedy": "same", "scores": "same"}
    assert found.counts
    assert found.first_difference is None
    assert found.needed == pytest.approx(0, abs=1e-6)


def test_the_same_ids_are_identical_where_nothing_is_scored_and_the_rung_says_why() -> None:
    found = judged(ALIKE, {"one": SPOKEN, "two": None})
    assert found.verdict == "IDENTICAL"
    assert found.sentence == "all 24 token ids are the same"
    assert rung(found, "scores").state == "not shown"
    assert rung(found, "scores").detail == "two failed to score the sequence (crash: it died)"
    assert "one was not asked to score" in rung(judged(ALIKE), "scores").detail


def test_the_same_ids_with_log_probabilities_within_the_tolerance_are_equivalent() -> None:
    found = judged(ALIKE, {"one": SPOKEN, "two": noisy(SPOKEN, 0.05)})
    assert found.verdict == "EQUIVALENT"
    assert rung(found, "scores").state == "within"
    assert found.distances is not None
    assert 0 < found.distances.mean_kl < QUANTISED.mean_kl
    assert found.needed is not None
    assert 0 < found.needed < 1


# a flip


def test_a_flip_at_a_near_tie_by_the_scores_of_both_is_equivalent() -> None:
    found = judged(PARTING, {"one": tie(), "two": swapped(SPOKEN, PLACE, OTHER, 0.1)})
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


def test_a_flip_far_from_a_tie_is_wrong() -> None:
    found = judged(PARTING, {"one": SPOKEN, "two": swapped(SPOKEN, PLACE, OTHER, 3.0)})
    assert found.verdict == "WRONG"
    assert "the ids agree for 10 of 24 tokens; token 11 is 15 for one and 39 for two" in found.sentence
    assert not found.counts


def test_a_flip_between_a_near_tie_and_far_from_one_proves_nothing_and_no_declaration_covers_it() -> None:
    found = judged(PARTING, {"one": tie(by=0.9)}, declared={"outputs": "is known"})
    assert found.verdict == "UNPROVEN"
    assert "too little to call it wrong" in found.sentence
    assert not found.acceptable
    assert not found.counts


def test_a_flip_that_nobody_scored_proves_nothing_and_no_declaration_covers_it() -> None:
    found = judged(PARTING, declared={"outputs": "is known"})
    assert found.verdict == "UNPROVEN"
    assert "no scores show how close they are" in found.sentence
    assert not found.counts


def test_a_flip_at_a_near_tie_by_the_baselines_scores_alone_is_unproven_and_may_be_declared() -> None:
    found = judged(PARTING, {"one": tie(), "two": None}, declared={"outputs": "it can't score"})
    assert found.verdict == "UNPROVEN"
    assert "but two failed to score the sequence" in found.sentence
    assert found.is_accepted


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
    assert found.acceptable


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


def test_distances_between_the_tolerance_and_drift_prove_nothing() -> None:
    found = judged(ALIKE, {"one": SPOKEN, "two": noisy(SPOKEN, 0.25)})
    assert found.verdict == "UNPROVEN", found.sentence
    assert "too little to call it drift" in found.sentence
    assert not found.acceptable


def test_distances_that_grow_beyond_the_tolerance_are_drift_though_their_mean_is_within() -> None:
    size = 0.15
    for most in (size, 0.22):
        grown = judged(ALIKE, {"one": SPOKEN, "two": noisy(SPOKEN, most, seed=3, grows=True)})
        assert grown.verdict == "DRIFT", grown.sentence
        assert "it grows with position" in grown.sentence
    even = judged(ALIKE, {"one": SPOKEN, "two": noisy(SPOKEN, size, seed=3)})
    assert even.verdict == "EQUIVALENT", even.sentence


def test_a_witness_far_from_the_baseline_is_named_instead_of_blaming_the_runtime() -> None:
    trials = [*ALIKE, *generated("three")]
    found = judged(trials, {"one": SPOKEN, "two": noisy(SPOKEN, 0.5), "three": noisy(SPOKEN, 1.0, seed=7)})
    assert found.verdict == "UNPROVEN"
    assert "one and three differ from each other" in found.sentence
    assert "they disagree more than two does with the baseline" in found.sentence
    assert not found.acceptable


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
    assert PASSES * QUANTISED.mean_kl < widened == found.tolerance.references.mean_kl < BLAMED * QUANTISED.mean_kl
    assert "between other runtimes of this run" in found.tolerance.source
    assert found.verdict == "EQUIVALENT", found.sentence


def test_a_witness_at_fault_does_not_widen_the_tolerance() -> None:
    scored = {"one": SPOKEN, "two": noisy(SPOKEN, 0.05), "three": noisy(SPOKEN, 1.0, seed=7)}
    found = judged([*ALIKE, *generated("three")], scored)
    assert found.tolerance is not None
    assert found.tolerance.allowed.mean_kl == PASSES * QUANTISED.mean_kl
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


def test_texts_that_agree_are_unproven_and_say_for_how_many_words() -> None:
    text = "The answer is four ."
    trials = [*generated("one", text=text), *generated("two", None, text=f" {text}\n", sampling="temperature 0.001")]
    found = judged(trials)
    assert found.verdict == "UNPROVEN"
    assert "two sampled by temperature 0.001, which is not greedy" in found.sentence
    assert "the texts agree for all 5 words" in found.sentence
    assert rung(found, "text").state == "same"
    assert found.acceptable


@pytest.mark.parametrize("ours", ["The answer is fo", "The answer is"])
def test_a_text_whose_last_word_is_cut_agrees(ours: str) -> None:
    found = judged([*generated("one", text="The answer is four ."), *generated("two", None, text=ours)])
    assert found.acceptable, found.sentence


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        ("The answer was four .", "the texts differ from word 3 on ('is four .' and 'was four .')"),
        ("The", "the texts agree for 1 words, where one of them ends; the other has 5"),
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
    assert judged(trials, scored, declared={"threads": "set in the config"}).verdict == "EQUIVALENT"
    other = [*generated("one", program="engine"), *generated("two", PARTED, program="engine", version="2")]
    assert judged(other, scored).verdict == "EQUIVALENT"


def test_what_different_engines_differ_by_excuses_nothing_in_one_engine() -> None:
    trials = [*generated("one", program="engine"), *generated("two", program="engine"), *generated("three")]
    scored = {"one": SPOKEN, "two": noisy(SPOKEN, 0.02), "three": noisy(SPOKEN, 0.05, seed=3)}
    found = judged(trials, scored)
    assert found.verdict == "DRIFT"
    assert found.tolerance is not None
    assert found.tolerance.references is None
    assert judged(trials, scored, declared={"threads": "set in the config"}).verdict == "EQUIVALENT"


# defaults


@pytest.mark.parametrize(
    ("quantisation", "settings", "delta"),
    [
        ({"F32": 9}, {"kv_type": "f32"}, 1e-5),
        ({"F32": 9}, {"kv_type": "f16"}, 5.6e-3),
        ({"F32": 9}, {}, 5.6e-3),
        ({"F32": 9}, {"kv_type": "f16", "flash_attention": True}, 7e-3),
        ({"F32": 9}, {"kv_type": "q8_0", "flash_attention": True}, 2e-2),
        ({"F32": 9}, {"kv_type": "f32", "activation_dtype": "bfloat16"}, 2.5e-2),
        ({"F32": 9, "F16": 30}, {"kv_type": "f32"}, 2.5e-2),
        ({"F32": 9, "Q4_K": 30}, {"kv_type": "f32"}, 0.47),
        ({}, {}, 0.47),
    ],
)
def test_a_default_is_that_of_the_less_exact_side(
    quantisation: dict[str, int], settings: dict[str, Scalar], delta: float
) -> None:
    exact, odd = (Identity(weights_sha256=None, settings=s) for s in ({"kv_type": "f32"}, settings))
    floor, source = floor_of(quantisation, (exact, odd))
    assert floor.delta == delta
    assert source.startswith("measured")


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
