"""The exact arm: how far each runtime lies from the same weights computed in F32, and what that decides."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import get_args

import pytest
from spoken import CONTINUATION, PROMPT, SEQUENCE, SPOKEN, Logits, following, generated, noisy, score_trial, swapped

from parity.outputs import Compared, drifting, judge_outputs
from parity.outputs.arbiter import decide
from parity.outputs.flips import preference
from parity.outputs.floors import FOUR_BITS
from parity.outputs.tolerance import BLAMED
from parity.records import Departure, Failure, Identity, Nearness, OutputKind, OutputVerdict, Scored, Trial

Q4 = {"Q4_1": 210, "F32": 61}
PLACE, OTHER = 10, 39
"""Where continuations part in these tests, and the token that the other side takes there."""

PARTED = (*CONTINUATION[:PLACE], OTHER, *CONTINUATION[:13])
OWN = (*PROMPT, *PARTED)
ALIKE = [*generated("one"), *generated("two")]
PARTING = [*generated("one"), *generated("two", PARTED)]
BEYOND = BLAMED * FOUR_BITS.odds + 0.2
"""Nats: a little more than honest engines take different tokens at."""

FINE, ODD, BAD, WORSE = 0.05, 0.28, 0.5, 1.2
"""Noise in nats: well within the tolerance, between that and drift, far beyond it, and twice as far again."""


def member(runtime: str, rows: Logits = SPOKEN, *, engine: str | None = None, version: str = "1") -> Trial:
    """A trial of the exact arm by a runtime's program, which is an engine of its own by default."""
    identity = Identity(runtime=engine or f"{runtime} engine", version=version, weights_sha256="ef" * 32)
    return score_trial(runtime, rows, identity=identity).but(kind="exact")


TWO = (member("llama"), member("candle", noisy(SPOKEN, 1e-6)))
"""Two engines that agree, neither of which is judged."""


def compared(
    trials: Sequence[Trial],
    scored: Mapping[str, Logits] | Sequence[Trial],
    exact: Sequence[Trial] = TWO,
    *,
    no_exact: str | None = None,
    quantisation: Mapping[str, int] = Q4,
) -> Compared:
    if isinstance(scored, Mapping):
        scored = [score_trial(runtime, rows) for runtime, rows in scored.items()]
    return Compared(
        model="m",
        test="t",
        baseline="one",
        trials=trials,
        scored=scored,
        quantisation=quantisation,
        exact=exact,
        no_exact=no_exact,
    )


def judged(
    trials: Sequence[Trial],
    scored: Mapping[str, Logits] | Sequence[Trial],
    exact: Sequence[Trial] = TWO,
    *,
    no_exact: str | None = None,
    quantisation: Mapping[str, int] = Q4,
) -> OutputVerdict:
    """The verdict on `two` beside the baseline `one`."""
    found = judge_outputs(compared(trials, scored, exact, no_exact=no_exact, quantisation=quantisation), "two")
    assert found is not None
    return found


def nearness(found: OutputVerdict, runtime: str) -> Nearness:
    assert found.exact is not None
    distance = found.exact.of(runtime)
    assert distance is not None
    return distance.nearness


# the table


NEARNESS: tuple[Nearness, ...] = get_args(Nearness)
KINDS: tuple[OutputKind, ...] = ("IDENTICAL", "EQUIVALENT", "UNPROVEN", "DRIFT")
TIMES = {"near": 0.2, "between": 2.0, "far": 9.0}
"""A distance of each kind, in the unit that both sides are measured in."""

TABLE: dict[tuple[str, str, str], str] = {
    # by the pair, this runtime, the baseline: cells that are not here stay
    ("EQUIVALENT", "far", "near"): "drift",
    ("UNPROVEN", "far", "near"): "drift",
    ("UNPROVEN", "near", "far"): "theirs",
    ("UNPROVEN", "between", "far"): "theirs",
    ("UNPROVEN", "near", "near"): "equivalent",
    ("UNPROVEN", "near", "between"): "equivalent",
    ("UNPROVEN", "between", "between"): "equivalent",
    ("DRIFT", "near", "near"): "undecided",
    ("DRIFT", "near", "between"): "theirs",
    ("DRIFT", "near", "far"): "theirs",
    ("DRIFT", "between", "near"): "ours",
    ("DRIFT", "between", "between"): "undecided",
    ("DRIFT", "between", "far"): "theirs",
    ("DRIFT", "far", "near"): "ours",
    ("DRIFT", "far", "between"): "ours",
    ("DRIFT", "far", "far"): "undecided",
}


@pytest.mark.parametrize("pair", KINDS)
@pytest.mark.parametrize("ours", NEARNESS)
@pytest.mark.parametrize("theirs", NEARNESS)
def test_every_cell_of_the_table(pair: OutputKind, ours: Nearness, theirs: Nearness) -> None:
    expected = TABLE.get((pair, ours, theirs), "stays")
    assert decide(pair, ours, theirs, TIMES[ours], TIMES[theirs]) == expected


@pytest.mark.parametrize(
    ("pair", "ours", "theirs", "times", "expected"),
    [
        ("EQUIVALENT", "far", "near", (3.1, 2.9), "stays"),
        ("UNPROVEN", "far", "near", (3.1, 2.9), "stays"),
        ("UNPROVEN", "between", "between", (2.1, 2.0), "stays"),
        ("UNPROVEN", "between", "near", (1.6, 1.4), "stays"),
        ("DRIFT", "far", "far", (9, 3.1), "ours"),
        ("DRIFT", "far", "far", (3.1, 9), "theirs"),
        ("DRIFT", "far", "far", (9, 7), "undecided"),
        ("DRIFT", "between", "near", (1.6, 1.4), "undecided"),
        ("DRIFT", "near", "near", (0.1, 1.4), "undecided"),
    ],
)
def test_what_is_about_as_far_is_not_told_apart(
    pair: OutputKind, ours: Nearness, theirs: Nearness, times: tuple[float, float], expected: str
) -> None:
    assert decide(pair, ours, theirs, *times) == expected


@pytest.mark.parametrize(("times", "expected"), [((0.1, 0.2), "theirs"), ((0.2, 0.1), "ours"), ((0.1, 0.1), "stays")])
def test_one_engine_that_is_set_up_alike_is_excused_by_a_baseline_that_lies_farther_alone(
    times: tuple[float, float], expected: str
) -> None:
    assert decide("DRIFT", "near", "near", *times, alike=True) == expected
    assert decide("UNPROVEN", "near", "near", *times, alike=True) == "stays"


def test_no_cell_passes_a_side_that_is_far_or_blames_one_that_is_near() -> None:
    for pair, ours, theirs in itertools.product(KINDS, NEARNESS, NEARNESS):
        for a, b in itertools.product((0.1, 1.0, 1.4, 2.0, 3.1, 9.0), repeat=2):
            found = decide(pair, ours, theirs, a, b)
            if found == "equivalent":
                assert "far" not in (ours, theirs)
                assert (ours, theirs) == ("near", "near") or a <= b
            if found in ("drift", "ours"):
                assert ours != "near"
                assert a > b


# the verdicts, by what each side computes


@pytest.mark.parametrize(
    ("theirs", "ours", "verdict", "said"),
    [
        (FINE, FINE, "EQUIVALENT", "within the tolerance"),
        (FINE, BAD, "DRIFT", "two is the one that drifts"),
        (BAD, FINE, "UNPROVEN", "one, the baseline, is the one that drifts"),
        (WORSE, BAD, "UNPROVEN", "one, the baseline, is the one that drifts"),
        (BAD, WORSE, "DRIFT", "two is the one that drifts"),
        (ODD, FINE, "EQUIVALENT", "two is as right as the baseline"),
        (FINE, ODD, "UNPROVEN", "too little to call it drift"),
    ],
)
def test_the_side_that_lies_far_from_the_exact_arm_is_the_one_that_drifts(
    theirs: float, ours: float, verdict: OutputKind, said: str
) -> None:
    found = judged(ALIKE, {"one": noisy(SPOKEN, theirs, seed=5), "two": noisy(SPOKEN, ours, seed=6)})
    assert found.verdict == verdict, found.sentence
    assert said in found.sentence
    assert not found.acceptable
    without = judged(ALIKE, {"one": noisy(SPOKEN, theirs, seed=5), "two": noisy(SPOKEN, ours, seed=6)}, ())
    assert without.exact is None
    assert "exact arm" not in without.sentence


def test_two_that_agree_and_are_both_far_pass_with_a_warning_that_they_may_share_a_fault() -> None:
    shared = noisy(SPOKEN, BAD)
    found = judged(ALIKE, {"one": shared, "two": noisy(shared, FINE, seed=8)})
    assert found.verdict == "EQUIVALENT"
    assert "both are far from it, so that they may share a fault" in found.sentence
    same = judged(ALIKE, {"one": shared, "two": shared})
    assert same.verdict == "IDENTICAL"
    assert "both are far from it" in same.sentence
    assert [nearness(same, name) for name in ("one", "two")] == ["far", "far"]


def test_a_witness_at_fault_does_not_turn_drift_into_a_pass() -> None:
    """What the others' disagreement raises is only what is called drift."""
    scored = {"one": SPOKEN, "two": noisy(SPOKEN, 0.35), "three": noisy(SPOKEN, WORSE, seed=7)}
    trials = [*ALIKE, *generated("three")]
    assert judged(trials, scored, ()).verdict == "UNPROVEN"
    found = judged(trials, scored)
    assert found.verdict == "DRIFT", found.sentence
    assert found.exact is not None
    assert [distance.runtime for distance in found.exact.distances] == ["one", "two", "three"]


def test_what_the_runtime_itself_shows_is_never_excused() -> None:
    odd = [t.but(output_ids=PARTED) if t.round == 2 else t for t in generated("two")]
    found = judged([*generated("one"), *odd], {"one": noisy(SPOKEN, BAD), "two": SPOKEN})
    assert found.verdict == "WRONG"
    sampled = judged(PARTING, {"one": noisy(SPOKEN, BAD), "two": SPOKEN})
    assert sampled.verdict == "WRONG"
    assert "it did not take the likeliest token" in sampled.sentence
    other = judged([*generated("one"), *generated("two", prompt=(9, *PROMPT))], {"one": noisy(SPOKEN, BAD)})
    assert other.verdict == "WRONG"
    assert "the prompt ids differ" in other.sentence


MUTANTS: dict[str, Logits] = {
    "noise": noisy(SPOKEN, BAD),
    "growing noise": noisy(SPOKEN, BAD, grows=True),
    "half the temperature": [[x * 2 for x in row] for row in SPOKEN],
    "twice the temperature": [[x / 2 for x in row] for row in SPOKEN],
    "clipped": [[min(x, 2.0) for x in row] for row in SPOKEN],
    "rows of the position before": [SPOKEN[0], *SPOKEN[:-1]],
    "two ids exchanged": [[row[1], row[0], row[3], row[2], row[6], row[7], *row[4:6], *row[8:]] for row in SPOKEN],
    "a penalty on what came before": [
        [x - 1.5 * (k in SEQUENCE[: place + 1]) for k, x in enumerate(row)] for place, row in enumerate(SPOKEN)
    ],
    "a bias on every fifth id": [[x + 1.2 * (k % 5 == 0) for k, x in enumerate(row)] for row in SPOKEN],
    "rounded": [[4.0 * round(x / 4) for x in row] for row in SPOKEN],
}


@pytest.mark.parametrize("name", MUTANTS)
def test_the_exact_arm_names_the_mutant_whichever_side_is_the_baseline(name: str) -> None:
    mutant, fine = MUTANTS[name], noisy(SPOKEN, FINE, seed=11)
    for rows, named, verdict in (
        ({"one": fine, "two": mutant}, "two", "DRIFT"),
        ({"one": mutant, "two": fine}, "one", "UNPROVEN"),
    ):
        of = compared(ALIKE, rows)
        assert drifting(of, "one", "two") == drifting(of, "two", "one") == named
        scores = next(rung for rung in judged(ALIKE, rows).rungs if rung.name == "scores")
        assert f"{named}{', the baseline,' if named == 'one' else ''} is the one that drifts" in scores.detail
        assert judged(ALIKE, rows).verdict in (verdict, "WRONG" if named == "two" else "UNPROVEN")


def test_no_arm_names_neither() -> None:
    rows = {"one": SPOKEN, "two": noisy(SPOKEN, BAD)}
    assert drifting(compared(ALIKE, rows, ()), "one", "two") is None
    assert drifting(compared(ALIKE, {"one": SPOKEN, "two": SPOKEN}), "one", "two") is None


# which members count


def test_what_the_exact_arm_scored_is_no_runtimes_own() -> None:
    own = [score_trial("one", SPOKEN), score_trial("two", SPOKEN)]
    arm = [member(name, noisy(SPOKEN, 1.0)).but(attempt=2) for name in ("one", "two", "three")]
    of = compared(ALIKE, [*own, *arm], arm)
    assert list(of.sides) == ["one", "two"]
    found = judge_outputs(of, "two")
    assert found is not None
    assert found.verdict == "IDENTICAL"


def test_the_record_names_members_file_and_resolution() -> None:
    found = judged(ALIKE, {"one": SPOKEN, "two": noisy(SPOKEN, FINE)}, (TWO[0], member("candle", noisy(SPOKEN, 1e-4))))
    arm = found.exact
    assert arm is not None
    assert arm.members == ("llama", "candle")
    assert arm.weights_sha256 == "ef" * 32
    assert arm.resolution is not None
    assert 0 < arm.resolution.delta < 1e-3
    assert len(arm.resolution_by_quarter) == 4
    assert max(arm.resolution_by_quarter) == pytest.approx(arm.resolution.delta, rel=1)
    assert (arm.doubt, found.no_exact) == (None, None)
    assert nearness(found, "two") == "near"
    exact = judged(ALIKE, {"one": SPOKEN, "two": noisy(SPOKEN, FINE)})
    assert exact.distances is not None
    assert exact.exact is not None
    distance = exact.exact.of("two")
    assert distance is not None
    assert distance.distances == exact.distances


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (
            member("candle").but(scores=(), failure=Failure(kind="oom", message="no memory")),
            "candle failed to score the sequence in F32 (oom: no memory)",
        ),
        (
            member("candle").but(scores=(), void="others ran", failure=Failure(kind="timeout:total", message="late")),
            "candle could not score the sequence in F32 on a busy machine (timeout:total: late; others ran)",
        ),
        (member("candle").but(departures=(Departure(fact="weights", sentence="it ran others"),)), "it ran others"),
        (
            score_trial("candle", SPOKEN, (*SEQUENCE[:-1], 0)).but(kind="exact"),
            "candle scored a different sequence in F32",
        ),
    ],
    ids=["failed", "void", "other weights", "other ids"],
)
def test_a_member_that_did_not_answer_for_the_sequence_is_none_and_said(odd: Trial, said: str) -> None:
    scored = {"one": noisy(SPOKEN, BAD), "two": SPOKEN}
    found = judged(ALIKE, scored, (TWO[0], odd))
    assert found.exact is not None
    assert found.exact.members == ("llama",)
    assert any(said in reason for reason in found.exact.silent)
    assert found.exact.resolution is None
    assert found.exact.doubt is not None
    assert found.exact.doubt.startswith("as far as is known, it is computed by one engine (llama)")
    assert "one lies farther from it" in found.sentence
    none = judged(ALIKE, scored, (odd,))
    assert (none.verdict, none.exact) == ("DRIFT", None)
    assert none.no_exact is not None
    assert said in none.no_exact


def test_a_member_that_was_not_run_is_said() -> None:
    of = compared(ALIKE, {"one": SPOKEN, "two": SPOKEN}, (TWO[0],))
    found = judge_outputs(replace(of, not_begun={("candle", "exact", 1): "the run ended before that"}), "two")
    assert found is not None
    assert found.exact is not None
    assert found.exact.silent == ("candle was not asked to score the sequence in F32: the run ended before that",)
    assert found.verdict == "IDENTICAL"


def test_why_there_is_no_arm_is_kept() -> None:
    scored = {"one": SPOKEN, "two": noisy(SPOKEN, BAD)}
    found = judged(ALIKE, scored, (), no_exact="it needs 9 GiB of memory, and 4 GiB are free")
    assert (found.verdict, found.exact) == ("DRIFT", None)
    assert found.no_exact == "it needs 9 GiB of memory, and 4 GiB are free"
    assert judged(ALIKE, {}, TWO).no_exact == "no runtime scored a sequence that it could be compared over"
    assert judged(ALIKE, scored, ()).no_exact is None


def test_an_attempt_that_succeeded_is_the_member() -> None:
    failed = TWO[0].but(scores=(), attempt=2, failure=Failure(kind="crash", message="it died"))
    found = judged(ALIKE, {"one": noisy(SPOKEN, BAD), "two": SPOKEN}, (*TWO, failed))
    assert found.exact is not None
    assert found.exact.members == ("llama", "candle")


# an arm that may be at fault


def test_members_that_contradict_each_other_decide_nothing() -> None:
    exact = (TWO[0], member("candle", noisy(SPOKEN, 0.01)))
    found = judged(ALIKE, {"one": noisy(SPOKEN, BAD), "two": SPOKEN}, exact)
    assert found.verdict == "DRIFT"
    assert found.exact is not None
    assert found.exact.doubt is not None
    assert "so that one of them is at fault" in found.exact.doubt
    assert "is the one that drifts" not in found.sentence
    shared = noisy(SPOKEN, BAD)
    agreeing = judged(ALIKE, {"one": shared, "two": noisy(shared, FINE, seed=8)}, exact)
    assert "share a fault" not in agreeing.sentence


def test_a_member_that_looks_gelu_up_in_a_table_does_not_contradict_one_that_computes_it() -> None:
    exact = TWO[0], member("candle", noisy(SPOKEN, 2e-3))
    identity = exact[0].identity
    assert identity is not None
    table = exact[0].but(identity=identity.but(settings={"gelu": "from a table of F16"}))
    for members, fits in [(exact, False), ((table, exact[1]), True)]:
        arm = judged(ALIKE, {"one": SPOKEN, "two": noisy(SPOKEN, FINE)}, members).exact
        assert arm is not None
        assert (arm.doubt is None) == fits, arm.doubt


F32 = {"F32": 30}
ARM_F32 = (TWO[0], member("candle", noisy(SPOKEN, 1.2e-4)))


def f32(*settings: str) -> list[Trial]:
    """Runtimes that report so exact a cache each."""
    return [t for name, kind in zip(("one", "two"), settings, strict=True) for t in _of_cache(name, kind)]


def _of_cache(name: str, kind: str) -> list[Trial]:
    return generated(name, settings={"kv_type": kind, "device": "cpu"})


def test_an_arm_that_is_no_better_known_than_what_separates_the_two_decides_nothing() -> None:
    rows = {"one": SPOKEN, "two": noisy(SPOKEN, 8e-5, seed=9)}
    found = judged(f32("f32", "f32"), rows, ARM_F32, quantisation=F32)
    assert found.exact is not None
    assert found.verdict == "UNPROVEN", found.sentence
    assert found.exact.doubt == "its members lie as far apart as the two that are judged"


@pytest.mark.parametrize(
    ("engine", "size", "expected"),
    [
        ("two", 1.2e-4, "near"),
        ("two", 1e-3, "far"),
        ("candle engine", 1.2e-4, "between"),
        ("candle engine", 1e-3, "far"),
    ],
)
def test_the_resolution_widens_what_is_near_but_for_a_members_own_engine(
    engine: str, size: float, expected: Nearness
) -> None:
    trials = [*generated("one", settings={"kv_type": "f32"})]
    trials += generated("two", program=engine, settings={"kv_type": "f32"})
    found = judged(trials, {"one": SPOKEN, "two": noisy(SPOKEN, size, seed=9)}, ARM_F32, quantisation=F32)
    assert nearness(found, "two") == expected


@pytest.mark.parametrize(("settings", "expected"), [({}, "far"), ({"gelu": "from a table of F16"}, "near")])
def test_a_member_that_looks_gelu_up_in_a_table_makes_the_arm_less_exact_for_every_side(
    settings: dict[str, str], expected: Nearness
) -> None:
    identity = TWO[0].identity
    assert identity is not None
    arm = (TWO[0].but(identity=identity.but(settings=settings)), TWO[1])
    found = judged(f32("f32", "f32"), {"one": SPOKEN, "two": noisy(SPOKEN, 2e-3)}, arm, quantisation=F32)
    assert nearness(found, "two") == expected


def test_each_side_is_held_to_the_tolerance_of_its_own_numeric_class() -> None:
    rows = {"one": noisy(SPOKEN, 2e-3, seed=3), "two": noisy(SPOKEN, 2e-3, seed=4)}
    found = judged(f32("f16", "f32"), rows, TWO, quantisation=F32)
    assert [nearness(found, name) for name in ("one", "two")] == ["near", "far"]
    assert found.verdict != "DRIFT", "it lies no farther than the baseline"


ONE_PROGRAM = [
    *generated("one", program="llama engine", settings={"flash_attention": "on"}),
    *generated("two", program="llama engine", settings={"flash_attention": "off"}),
]
"""One program on both sides, set up otherwise: an arm of that program may have what only one of them has."""

CANDLES = {"reference": {"candle-core": "0.9.1"}, "two": {"candle-core": "0.9.2", "candle-transformers": "0.9.2"}}


@pytest.mark.parametrize("engine", ["llama engine", "two", "of nobody else"])
@pytest.mark.parametrize("trials", [ALIKE, ONE_PROGRAM], ids=["two programs", "one program"])
@pytest.mark.parametrize("shared", ["one", "two"])
@pytest.mark.parametrize("size", [0.1, ODD, 0.36, 0.45, WORSE])
def test_an_arm_of_one_engine_changes_no_verdict_and_names_nobody(
    trials: Sequence[Trial], engine: str, shared: str, size: float
) -> None:
    """It may have the fault of either side, whatever the names of their programs are."""
    faulty = noisy(SPOKEN, size, seed=5)
    rows = {name: noisy(faulty, 0.02, seed=8) if name == shared else SPOKEN for name in ("one", "two")}
    found = judged(trials, rows, (member("reference", faulty, engine=engine),))
    without = judged(trials, rows, ())
    assert (found.verdict, found.acceptable) == (without.verdict, without.acceptable)
    assert "is the one that" not in found.sentence
    if found.verdict in ("DRIFT", "UNPROVEN"):
        assert found.exact is not None
        assert found.exact.doubt is not None
        assert "it decides nothing" in found.exact.doubt
    if found.verdict == "DRIFT":
        assert f"{'one' if shared == 'two' else 'two'} lies farther from it" in found.sentence


@pytest.mark.parametrize(("theirs", "ours", "exact"), [(-2.4, 0.2, 0.1), (-6.0, 0.5, 6.0), (-2.4, 0.2, -6.0)])
def test_an_arm_of_one_engine_settles_no_flip(theirs: float, ours: float, exact: float) -> None:
    scored = [score_trial("one", flip(theirs)), score_trial("two", flip(ours)), own_answer()]
    assert parted(theirs, ours, exact).verdict != judged(PARTING, scored, ()).verdict, "two engines do"
    found = judged(PARTING, scored, (member("reference", flip(exact)),))
    assert found.verdict == judged(PARTING, scored, ()).verdict


def test_an_arm_of_one_engine_excuses_no_text() -> None:
    trials = [*generated("one", text="a b c"), *generated("two", None, text="a x c")]
    drifted = [[x * 3 for x in row] for row in SPOKEN]
    assert judged(trials, {"one": drifted}, (member("reference"),)).verdict == "WRONG"


def test_programs_that_are_built_with_one_library_are_one_engine() -> None:
    """Of any version, and whatever the programs' names are."""
    rows = {"one": noisy(SPOKEN, BAD), "two": SPOKEN}
    arm = (member("reference"), member("two", noisy(SPOKEN, 1e-6)))
    assert judged(ALIKE, rows, arm).verdict == "UNPROVEN"
    found = judge_outputs(replace(compared(ALIKE, rows, arm), libraries=CANDLES), "two")
    assert found is not None
    assert found.verdict == "DRIFT"
    assert found.exact is not None
    assert found.exact.doubt is not None
    assert "one engine (reference and two)" in found.exact.doubt


WITNESSES = [*generated("three"), *generated("four")]
HONEST = {"three": noisy(SPOKEN, FINE, seed=21), "four": noisy(SPOKEN, FINE, seed=22)}
OFF = noisy(SPOKEN, BAD, seed=31)
ARM_OFF = (member("llama", OFF), member("candle", noisy(OFF, 1e-6)))
"""Two engines that agree on a file that is at fault."""


@pytest.mark.parametrize("size", [0.36, 0.45, 0.6, 0.8])
@pytest.mark.parametrize("mutant", ["one", "two"])
def test_an_arm_that_two_independent_witnesses_contradict_decides_nothing(size: float, mutant: str) -> None:
    rows = {"one": SPOKEN, "two": SPOKEN} | {mutant: noisy(SPOKEN, size, seed=8)} | HONEST
    found = judged([*ALIKE, *WITNESSES], rows, ARM_OFF)
    assert found.verdict == judged([*ALIKE, *WITNESSES], rows, ()).verdict
    assert found.verdict == {"one": "UNPROVEN", "two": "DRIFT"}[mutant], (
        "of the baseline, its distances from others say so"
    )
    assert "is the one that drifts" not in found.sentence
    honest = "one" if mutant == "two" else "two"
    assert found.exact is not None
    assert found.exact.doubt == f"three and four agree with {honest}, and all are far from it: it decides nothing"


@pytest.mark.parametrize(
    "programs",
    [("three", "three"), ("llama engine", "four"), ("llama engine", "candle engine"), (None, "four")],
    ids=["of one engine", "of a member's", "of both members'", "of no name"],
)
def test_witnesses_of_one_engine_or_of_a_members_do_not_outvote_it(programs: tuple[str | None, str]) -> None:
    """They may share a fault with the baseline, as all that quantise activations may."""
    shared = noisy(SPOKEN, BAD)
    rows = {"one": shared, "two": SPOKEN, "three": noisy(shared, FINE, seed=3), "four": noisy(shared, FINE, seed=4)}
    three, four = (generated(name, program=program) for name, program in zip(("three", "four"), programs, strict=True))
    if programs[0] is None:
        three = [t.but(identity=t.identity.but(runtime=None)) for t in three if t.identity is not None]
    found = judged([*ALIKE, *three, *four], rows)
    assert found.verdict == "UNPROVEN"
    assert "one, the baseline, is the one that drifts" in found.sentence
    assert found.exact is not None
    assert found.exact.doubt is None


def test_two_that_agree_with_an_outvoted_arm_beside_them_are_not_warned_of() -> None:
    rows = {"one": SPOKEN, "two": noisy(SPOKEN, FINE, seed=8), **HONEST}
    found = judged([*ALIKE, *WITNESSES], rows, ARM_OFF)
    assert found.verdict == "EQUIVALENT"
    assert "share a fault" not in found.sentence
    assert found.exact is not None
    assert found.exact.doubt is not None


def test_an_engine_of_both_sides_may_be_one_of_two_members() -> None:
    """Where two engines agree, what a side has in common with one of them is no fault."""
    mutant = noisy(SPOKEN, BAD)
    arm = (member("one", engine="llama engine"), member("candle", noisy(SPOKEN, 1e-6)))
    named = judged(ONE_PROGRAM, {"one": SPOKEN, "two": mutant}, arm)
    assert named.verdict == "DRIFT"
    assert "two is the one that drifts" in named.sentence
    turned = judged(ONE_PROGRAM, {"one": mutant, "two": SPOKEN}, arm)
    assert turned.verdict == "UNPROVEN"
    assert "one, the baseline, is the one that drifts" in turned.sentence


def test_an_engine_of_no_name_may_be_any() -> None:
    unnamed = member("llama").but(identity=Identity(runtime=None, weights_sha256="ef" * 32))
    found = judged(ALIKE, {"one": noisy(SPOKEN, BAD), "two": SPOKEN}, (unnamed,))
    assert found.verdict == "DRIFT"
    assert found.exact is not None
    assert found.exact.doubt is not None


def test_one_engine_that_is_set_up_alike_stays_held_to_itself() -> None:
    same = [*generated("one", program="llama engine"), *generated("two", program="llama engine")]
    found = judged(same, {"one": noisy(SPOKEN, 0.05, seed=1), "two": noisy(SPOKEN, 0.05, seed=2)})
    assert found.verdict == "DRIFT", "both are near, and one engine computes the same"


# where continuations part


def flip(by: float, rows: Logits = SPOKEN) -> Logits:
    """Logits in which the other token leads by so many nats where the continuations part, or lags."""
    return swapped(rows, PLACE, OTHER, by)


def own_answer() -> Trial:
    """The trial in which `two` scores what it generated where it parted."""
    return score_trial("two", following(OWN), OWN, number=2)


def parted(theirs: float, ours: float, exact: float, *, arm: Sequence[Trial] | None = None) -> OutputVerdict:
    """By how much each prefers the implementation's token."""
    scored = [score_trial("one", flip(theirs)), score_trial("two", flip(ours)), own_answer()]
    return judged(PARTING, scored, arm or (member("llama", flip(exact)), member("candle", flip(exact))))


@pytest.mark.parametrize(
    ("theirs", "ours", "exact", "verdict", "said"),
    [
        (-6.0, 0.5, 6.0, "UNPROVEN", "one, the baseline, is wrong there"),
        (-6.0, 0.5, 0.2, "UNPROVEN", "one, the baseline, is the one that is off"),
        (-6.0, 0.5, -6.0, "WRONG", "two is wrong there"),
        (-6.0, 0.5, -2.4, "WRONG", "honest engines take different tokens"),
        (-0.2, 6.0, -0.2, "WRONG", "honest engines take different tokens"),
        (-2.4, 0.2, 0.1, "EQUIVALENT", "a near-tie, as two does"),
        (-2.4, 0.2, -6.0, "WRONG", "two is wrong there"),
        (-2.4, 0.2, 6.0, "UNPROVEN", "one, the baseline, is wrong there"),
        (-0.2, 2.4, 0.1, "UNPROVEN", "too little to call it wrong"),
        (-0.1, 0.1, -6.0, "EQUIVALENT", "a near-tie"),
        (-2.35, 0.94, 0.1, "UNPROVEN", "one, the baseline, is the one that is off"),
        (-0.235, 1.36, -1.36, "UNPROVEN", "too little to call it wrong"),
    ],
)
def test_the_exact_arm_says_which_token_is_right(
    theirs: float, ours: float, exact: float, verdict: OutputKind, said: str
) -> None:
    found = parted(theirs, ours, exact)
    greedy = next(rung for rung in found.rungs if rung.name == "greedy")
    assert said in greedy.detail
    assert {"WRONG": "differs", "UNPROVEN": "differs", "EQUIVALENT": "within"}[verdict] == greedy.state, greedy.detail
    if verdict == "WRONG":
        assert found.verdict == "WRONG"


def test_a_token_that_the_exact_arm_prefers_is_no_fault_of_the_runtime() -> None:
    found = parted(-6.0, 6.0, 6.0)
    assert found.verdict == "UNPROVEN", found.sentence
    assert not found.acceptable
    assert parted(-6.0, 6.0, 6.0, arm=(member("two", flip(6.0), engine="two"),)).verdict == "WRONG"


@pytest.mark.parametrize(
    ("ours", "exact", "verdict"),
    [(8.0, 0.1, "WRONG"), (BEYOND, 0.1, "WRONG"), (BEYOND, 1.2, "UNPROVEN"), (0.5, 0.1, "UNPROVEN")],
)
def test_a_baseline_that_drifts_excuses_no_token_that_the_runtime_prefers_by_far_more_than_the_arm(
    ours: float, exact: float, verdict: OutputKind
) -> None:
    theirs = noisy(flip(-6.0 if ours < 1 else -0.2), WORSE, seed=3)
    scored = [score_trial("one", theirs), score_trial("two", flip(ours)), own_answer()]
    found = judged(PARTING, scored, (member("llama", flip(exact)), member("candle", flip(exact))))
    greedy = next(rung for rung in found.rungs if rung.name == "greedy")
    assert found.verdict == verdict, found.sentence
    assert ("one, the baseline, is the one that is off" in greedy.detail) == (verdict == "UNPROVEN")


def test_what_follows_a_settled_flip_must_have_been_scored_too() -> None:
    scored = [score_trial("one", flip(-1.0)), score_trial("two", flip(0.2))]
    found = judged(PARTING, scored, (member("llama", flip(0.1)), member("candle", flip(0.1))))
    assert found.verdict == "UNPROVEN"
    assert "what follows token 11 of two was not checked" in found.sentence


def test_a_preference_is_a_bound_where_a_token_is_not_listed() -> None:
    listed = Scored(position=1, id=1, logprob=-0.2, logsumexp=0, top=((1, -0.2), (2, -2.0), (3, -4.0)))
    assert preference(listed, 1, 2) == pytest.approx((1.8, 1.8))
    assert preference(listed, 2, 9) == (pytest.approx(2.0), float("inf"))
    assert preference(listed, 9, 1) == (float("-inf"), pytest.approx(-3.8))
    assert preference(listed, 8, 9) is None


def test_a_text_is_not_held_against_a_baseline_that_drifts() -> None:
    trials = [*generated("one", text="a b c"), *generated("two", None, text="a x c")]
    assert judged(trials, {"one": SPOKEN}).verdict == "WRONG"
    drifted = [[x * 3 for x in row] for row in SPOKEN]
    assert judged(trials, {"one": drifted}, ()).verdict == "WRONG"
    found = judged(trials, {"one": drifted})
    assert found.verdict == "UNPROVEN", found.sentence
    assert "one, the baseline, is the one that drifts" in found.sentence
    assert not found.acceptable
