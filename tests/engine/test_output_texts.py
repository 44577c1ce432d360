"""Texts of runtimes that show no ids, judged token by token by what others score for them."""

import hashlib
import json
from collections.abc import Mapping, Sequence

import pytest
from builders import trial

from parity.models.pieces import Added
from parity.outputs import Compared, judge_outputs
from parity.outputs.floors import FOUR_BITS
from parity.outputs.sides import Side
from parity.outputs.texts import compare_texts
from parity.outputs.tolerance import BLAMED
from parity.records import Departure, Failure, Identity, OutputVerdict, Scalar, Scored, Trial, TrialKind

WORDS = [
    *("", "Two", " plus", " two", " is", " four", " five", ".", "\n\n", " Next", "Next", " un", " unable", "able"),
    *(" to", " help", "你", "好", "們", "🙂", " Two", " six"),
]
PIECES = {k: word.encode() for k, word in enumerate(WORDS)} | {30: b"\xe4\xbd", 31: b"\xa0", 32: b"\xf0\x9f"}
PIECES |= {40: Added(b"<think>"), 41: b"\xe3\x80"}
END = 0
PROMPT = (90, 91, 92)
THEIRS = "Two plus two is four. Next Next Next"
WRONG = BLAMED * FOUR_BITS.odds
"""Nats: what is called wrong of quantised weights lies beyond."""

FAR, NEAR, BETWEEN = 6.0, 0.3, 2.6
"""Nats: beyond that, within a near-tie, and between."""


def ids_of(*words: str) -> tuple[int, ...]:
    return tuple(WORDS.index(word) for word in words)


FOUR = ids_of("Two", " plus", " two", " is", " four", ".", " Next", " Next", " Next")
FIVE = ids_of("Two", " plus", " two", " is", " five", ".", " Next", " Next", " Next")

Instead = Mapping[int, tuple[int, float]]
"""Place in an answer → a token that a scorer prefers there, and by how many nats."""


def text_of(ids: Sequence[int]) -> str:
    return b"".join(PIECES[token] for token in ids).decode("utf-8", errors="replace")


def identity(runtime: str, sampling: str | None, prompt: bool = True, **settings: Scalar) -> Identity:
    """Of a runtime that is a program of its own."""
    shown = hashlib.sha256(json.dumps(list(PROMPT)).encode()).hexdigest()
    return Identity(
        runtime=runtime,
        weights_sha256="ab" * 32,
        prompt_ids_sha256=shown if prompt else None,
        prompt_tokens=len(PROMPT) if prompt else None,
        prompt_retokenised=prompt,
        sampling=sampling,
        settings=settings,
    )


def printed(
    runtime: str,
    ids: Sequence[int],
    *,
    text: str | None = None,
    sampling: str | None = "greedy",
    prompt: bool = True,
    ended: bool = False,
    **settings: Scalar,
) -> list[Trial]:
    """A runtime that shows its text alone; `ids`: those of it by the model's tokenizer."""
    ran = identity(runtime, sampling, prompt, **settings).but(ended_early=ended)
    fields = {"prompt_ids": PROMPT if prompt else None, "text_ids": tuple(ids) or None, "pieces": PIECES}
    text = text_of(ids) if text is None else text
    return [trial(runtime, number, {"gen_tps": 1.0}, identity=ran, text=text, **fields) for number in (1, 2)]


def shown(runtime: str, ids: Sequence[int]) -> list[Trial]:
    """A runtime that shows its ids."""
    fields = {"prompt_ids": PROMPT, "output_ids": tuple(ids), "text": text_of(ids)}
    return [trial(runtime, n, {"gen_tps": 1.0}, identity=identity(runtime, "greedy"), **fields) for n in (1, 2)]


def score(runtime: str, ids: Sequence[int], instead: Instead | None = None, *, number: int = 3) -> Trial:
    """What a runtime scored of an answer: each token is the likeliest but where it prefers another `instead`."""
    rows = [Scored(position=k, id=PROMPT[k], logprob=-1.0, logsumexp=9.0, top=((PROMPT[k], -1.0),)) for k in (1, 2)]
    for place, token in enumerate(ids):
        other, nats = (instead or {}).get(place, (80, -12.0))
        most = -0.001 if nats < 0 else -0.05
        own = most - max(nats, 0.0)
        top = sorted([(token, own), (other, own + nats), (81, -14.0)], key=lambda item: -item[1])
        rows.append(Scored(position=len(PROMPT) + place, id=token, logprob=own, logsumexp=9.0, top=tuple(top)))
    return Trial(
        file=f"trials/{runtime}.jsonl",
        model="m",
        test="t",
        runtime=runtime,
        round=number,
        warmup=False,
        task="score",
        identity=identity(runtime, "greedy"),
        prompt_ids=PROMPT,
        scores=tuple(rows),
        pieces=PIECES,
    )


def judged(
    trials: Sequence[Trial],
    scored: Sequence[Trial],
    *,
    quantisation: str = "Q4_1",
    declared: str | None = None,
    libraries: Mapping[str, str] | None = None,
    not_begun: Mapping[tuple[str, TrialKind, int], str] | None = None,
) -> OutputVerdict:
    """`libraries`: runtime → the version of Candle that it is built with."""
    found = judge_outputs(
        Compared(
            model="m",
            test="t",
            baseline="one",
            trials=trials,
            scored=scored,
            quantisation={quantisation: 9},
            declared={"two": {"outputs": declared} if declared else {}},
            libraries={name: {"candle-core": version} for name, version in (libraries or {}).items()},
            not_begun=not_begun or {},
            text_rounds={"one": 3, "two": 4, "five": 5},
        ),
        "two",
    )
    assert found is not None
    return found


BOTH = [*printed("one", FOUR), *printed("two", FIVE)]
IS_FOUR = {4: (ids_of(" four")[0], FAR)}
"""What a scorer prefers in the text of `two` that is sure of the baseline's."""


def scored_by(*names: str, two: Instead, one: Instead | None = None) -> list[Trial]:
    """Both texts by scorers that agree."""
    return [score(name, ids, found) for name in names for ids, found in ((FOUR, one), (FIVE, two))]


def test_a_word_that_every_scorer_contradicts_is_wrong_and_is_named() -> None:
    found = judged(BOTH, scored_by("three", "four", two=IS_FOUR), declared="text alone")
    assert found.verdict == "WRONG", found.sentence
    assert (
        "word 5 of two has ' five' (id 6) as token 5, where three prefers ' four' (id 5) by 6 nats, four prefers "
        "' four' (id 5) by 6 nats, and honest engines take different tokens up to 2.82 nats" in found.sentence
    )
    assert "the texts differ from word 5 on ('four. Next Next Next' and 'five. Next Next Next')" in found.sentence
    assert not found.counts


def test_texts_that_part_at_a_near_tie_prove_nothing_and_can_be_declared() -> None:
    scored = scored_by("three", two={4: (5, NEAR)})
    found = judged(BOTH, scored)
    assert (found.verdict, found.acceptable) == ("UNPROVEN", True)
    assert "both texts are greedy by the scores of three" in found.sentence
    assert "part at a near-tie (three prefers that of one by 0.3 nats)" in found.sentence
    assert not found.counts
    assert judged(BOTH, scored, declared="text alone").counts


@pytest.mark.parametrize(
    ("instead", "said"),
    [
        ({4: (5, BETWEEN)}, "three prefers ' four' (id 5) to token 5 of two, ' five' (id 6), by 2.6 nats"),
        ({4: (5, NEAR), 6: (14, BETWEEN)}, "three prefers ' to' (id 14) to token 7 of two"),
    ],
    ids=["at the difference", "after it"],
)
def test_between_a_near_tie_and_far_from_one_no_declaration_covers_it(instead: Instead, said: str) -> None:
    found = judged(BOTH, scored_by("three", two=instead), declared="text alone")
    assert (found.verdict, found.acceptable) == ("UNPROVEN", False)
    assert said in found.sentence


def test_a_token_after_a_near_tie_that_every_scorer_contradicts_is_wrong() -> None:
    found = judged(BOTH, scored_by("three", two={4: (5, NEAR), 6: (14, FAR)}))
    assert found.verdict == "WRONG"
    assert "' Next' (id 9) as token 7" in found.sentence


def test_one_scorer_that_does_not_contradict_keeps_a_text_from_being_called_wrong() -> None:
    scored = [*scored_by("three", two=IS_FOUR), *scored_by("four", two={4: (5, NEAR)})]
    found = judged(BOTH, scored)
    assert (found.verdict, found.acceptable) == ("UNPROVEN", False)
    assert "three contradicts that of two: word 5 of two has ' five'" in found.sentence
    assert "near-tie" not in found.sentence


def test_a_baseline_that_is_contradicted_is_named_and_nobody_is_blamed() -> None:
    found = judged(BOTH, scored_by("three", one={4: (6, FAR)}, two={}), declared="text alone")
    assert (found.verdict, found.acceptable) == ("UNPROVEN", False)
    assert "that of the baseline is at fault: word 5 of one has ' four'" in found.sentence


def test_two_texts_that_are_contradicted_blame_nobody() -> None:
    found = judged(BOTH, scored_by("three", one={2: (80, FAR)}, two=IS_FOUR))
    assert found.verdict == "UNPROVEN"


def test_a_scorer_that_does_not_agree_with_the_baseline_so_far_blames_nobody() -> None:
    # It has not scored what the baseline wrote from the difference on, and it is not the baseline.
    found = judged(BOTH, [score("three", FIVE, {4: (5, NEAR), 6: (14, FAR)})])
    assert found.verdict == "UNPROVEN"
    assert "no scorer is shown to agree with one so far" in found.sentence


def test_without_scores_texts_that_differ_prove_nothing() -> None:
    found = judged(BOTH, [])
    assert (found.verdict, found.acceptable) == ("UNPROVEN", False)
    assert found.sentence == "the texts differ from word 5 on ('four. Next Next Next' and 'five. Next Next Next')"


def test_a_trial_that_failed_to_score_says_nothing() -> None:
    failed = [
        t.but(scores=(), failure=Failure(kind="crash", message="it died")) for t in scored_by("three", two=IS_FOUR)
    ]
    assert judged(BOTH, failed).verdict == "UNPROVEN"


# retokenisation is not generation


UNABLE = ids_of("Two", " plus", " unable", " to", " help")


@pytest.mark.parametrize(
    ("ids", "instead"),
    [
        (UNABLE, {2: (WORDS.index(" un"), FAR)}),
        (UNABLE, {2: (WORDS.index(" un"), NEAR), 3: (5, FAR)}),
        (ids_of("Two", " plus", " un", "able", " to", " help"), {2: (WORDS.index(" unable"), FAR)}),
        (ids_of("Next", " to", " help"), {0: (WORDS.index(" Next"), FAR)}),
        (ids_of("Two", ".", " Next", " to"), {2: (WORDS.index("\n\n"), FAR)}),
        (ids_of("Two", ".", " Next", " to"), {2: (WORDS.index("Next"), FAR)}),
        (ids_of("Two", ".", "\n\n", "Next", " to"), {2: (WORDS.index(" six"), FAR)}),
        (ids_of("Two", " plus", " two", " is", " six"), {4: (5, FAR)}),
        (ids_of("Two", ".", " six", " is"), {2: (END, FAR)}),
        (ids_of("你", "好", "."), {0: (30, FAR)}),
        (ids_of("Two", "🙂", " is"), {1: (32, FAR)}),
        (ids_of("Two", " is", "."), {1: (99, FAR)}),
        (ids_of("Two", " is", "."), {0: (40, FAR)}),
        (ids_of("你", "好", " is", "."), {0: (41, FAR)}),
    ],
    ids=[
        "other split",
        "after a possible split",
        "a longer token",
        "stripped at the start",
        "collapsed newlines",
        "without its space",
        "white space itself",
        "the last token",
        "an end token that is not printed",
        "a part of a character",
        "a part of an emoji",
        "a token of which it is not known what it writes",
        "an added token that programs may hide",
        "the first bytes of white space",
    ],
)
def test_what_may_have_been_generated_otherwise_is_never_called_wrong(ids: Sequence[int], instead: Instead) -> None:
    trials = [*printed("one", FOUR), *printed("two", ids)]
    found = judged(trials, [score("three", FOUR), score("three", ids, instead)])
    assert found.verdict == "UNPROVEN", found.sentence


@pytest.mark.parametrize(
    ("ids", "instead"),
    [
        (UNABLE, {2: (WORDS.index(" help"), FAR)}),
        (ids_of("你", "好", "."), {1: (WORDS.index("們"), FAR)}),
        (ids_of("Two", "🙂", " is"), {1: (WORDS.index("好"), FAR)}),
        (ids_of("Two", ".", "\n\n", "Next", " to", " six"), {4: (5, FAR)}),
    ],
    ids=["another word", "another character", "another emoji", "in a text that keeps its newlines"],
)
def test_what_can_not_have_been_is_wrong(ids: Sequence[int], instead: Instead) -> None:
    trials = [*printed("one", FOUR), *printed("two", ids)]
    found = judged(trials, [score("three", FOUR), score("three", ids, instead)])
    assert found.verdict == "WRONG", found.sentence


def test_white_space_that_is_a_near_tie_ends_what_is_certain_only_where_it_may_be_collapsed() -> None:
    instead = {2: (WORDS.index("\n\n"), NEAR), 4: (5, FAR)}
    collapsed = ids_of("Two", ".", " Next", " to", " help", " six", ".")
    kept = ids_of("Two", ".", " Next", " to", " help", "\n\n", "Next", ".")
    verdicts = {}
    for name, ids in (("collapsed", collapsed), ("kept", kept)):
        trials = [*printed("one", FOUR), *printed("two", ids)]
        verdicts[name] = judged(trials, [score("three", FOUR), score("three", ids, instead)]).verdict
    assert verdicts == {"collapsed": "UNPROVEN", "kept": "WRONG"}


def test_unlisted_tokens_may_be_any_where_all_listed_ones_are_close() -> None:
    def flat(t: Trial) -> Trial:
        rows = [
            s.but(top=tuple((token, -1.5 - 0.01 * k) for k, token in enumerate((s.id, 70, 71))))
            if s.position == 5
            else s
            for s in t.scores
        ]
        return t.but(scores=tuple(rows))

    scored = scored_by("three", two=IS_FOUR)
    assert judged(BOTH, scored).verdict == "WRONG"
    assert judged(BOTH, [scored[0], flat(scored[1])]).verdict == "UNPROVEN"


def test_a_token_that_is_not_listed_is_behind_by_at_least_the_last_that_is() -> None:
    def unlisted(t: Trial, last: float) -> Trial:
        row = t.scores[6].but(id=77, logprob=-30.0, top=((5, -0.05), (81, -0.05 - last)))
        return t.but(scores=(*t.scores[:6], row))

    # By another answer, which leaves that of `two` where they part.
    trials, answer = [*shown("one", FOUR), *printed("two", FIVE)], score("one", FOUR, number=1)
    asked = [answer.but(scores=answer.scores[:6])]
    found = judged(trials, [*asked, unlisted(score("one", FIVE), FAR)])
    assert found.verdict == "WRONG"
    assert "by at least 6 nats" in found.sentence
    assert judged(trials, [*asked, unlisted(score("one", FIVE), NEAR)]).verdict == "UNPROVEN"


def test_a_text_that_goes_on_after_a_broken_character_is_not_greedy_by_its_beginning() -> None:
    trials = [*printed("one", FOUR), *printed("two", FIVE, text=f"{text_of(FIVE)} \ufffd and much that nobody scored")]
    found = judged(trials, scored_by("three", two={4: (5, NEAR)}), declared="text alone")
    assert (found.verdict, found.acceptable) == ("UNPROVEN", False)
    cut = [*printed("one", FOUR), *printed("two", FIVE, text=f"{text_of(FIVE)}\ufffd")]
    assert judged(cut, scored_by("three", two={4: (5, NEAR)})).acceptable


# who may judge


def test_the_shared_answer_of_the_baseline_judges_where_the_texts_part() -> None:
    trials = [*shown("one", FOUR), *printed("two", FIVE)]
    row = {4: (80, -12.0)}
    found = judged(trials, [score("one", FOUR, row, number=1)])
    # It lists neither, and what it lists last is far behind.
    assert found.verdict == "WRONG"
    assert "one prefers" in found.sentence


def test_a_baseline_that_all_others_contradict_excuses_what_it_would_blame() -> None:
    trials = [*shown("one", FOUR), *printed("two", FIVE)]
    by_itself = score("one", FOUR, number=1)
    assert judged(trials, [by_itself]).verdict == "WRONG"
    found = judged(trials, [by_itself, score("three", FOUR, {4: (6, FAR)}, number=1), score("three", FIVE)])
    assert found.verdict == "UNPROVEN"
    # It is not said which of the two is at fault.
    assert "three contradicts that of one: word 5 of one has ' four'" in found.sentence
    assert "at fault" not in found.sentence


def test_a_runtime_is_not_its_own_judge() -> None:
    trials = [*printed("one", FOUR), *shown("two", FIVE)]
    own = score("two", FIVE, number=1)
    found = judged(trials, [own, score("two", FOUR, {4: (6, FAR)})])
    assert found.verdict == "UNPROVEN"
    assert "two contradicts that of one: word 5 of one has ' four'" in found.sentence
    assert "at fault" not in found.sentence
    others = [own, score("two", FOUR, {4: (6, FAR)}), score("three", FOUR), score("three", FIVE, IS_FOUR, number=1)]
    found = judged(trials, others)
    assert found.verdict == "WRONG"
    assert "word 5 of two has ' five' (id 6) as token 5, where three prefers" in found.sentence


def test_a_prompt_of_which_the_ids_are_not_known_leaves_a_text_unjudged() -> None:
    trials = [*printed("one", FOUR), *printed("two", FIVE, prompt=False)]
    found = judged(trials, scored_by("three", two=IS_FOUR))
    assert (found.verdict, found.acceptable) == ("UNPROVEN", False)


def test_a_scorer_that_ran_other_weights_does_not_judge() -> None:
    scored = scored_by("three", two=IS_FOUR)
    changed = Departure(fact="changed", sentence="its file was changed")
    other = [t.but(departures=(changed,)) for t in scored]
    assert judged(BOTH, other).verdict == "UNPROVEN"


def test_black_boxes_on_whole_weights_are_held_to_what_half_precision_differs_by() -> None:
    # Five tokens after a prompt of three: 6 × 2.5e-2 nats.
    for nats, verdict in ((0.14, "UNPROVEN"), (0.16, "WRONG")):
        found = judged(BOTH, scored_by("three", two={4: (5, nats)}), quantisation="F32")
        assert found.verdict == verdict, nats


def test_a_third_that_contradicts_a_baseline_which_its_own_scores_support_excuses_nothing() -> None:
    trials = [*shown("one", FOUR), *printed("two", FIVE)]
    own = [score("one", FOUR, number=1), score("one", FIVE, IS_FOUR)]
    third = [score("three", FOUR, {1: (80, FAR)}), score("three", FIVE, IS_FOUR)]
    assert judged(trials, own).verdict == "WRONG"
    assert judged(trials, [*own, *third]).verdict == "WRONG"


def test_a_baseline_that_its_own_scores_contradict_blames_nobody() -> None:
    own = {4: (WORDS.index("好"), FAR)}
    found = judged(BOTH, [score("one", FOUR, own), score("one", FIVE, own)])
    assert (found.verdict, found.acceptable) == ("UNPROVEN", False)
    assert "that of the baseline is at fault: word 5 of one has ' four' (id 5) as token 5, where one" in found.sentence


# what a declaration covers

GARBAGE = ids_of(" six", " help", "們", " six", " help", "們")
SHORT = ids_of("Two", " plus", " two", " is", " five")


@pytest.mark.parametrize(("ended", "verdict"), [(False, "UNPROVEN"), (True, "WRONG")])
def test_a_last_token_is_judged_if_it_can_not_be_cut_and_covers_nothing_if_it_may_be(ended: bool, verdict: str) -> None:
    trials = [*printed("one", (*SHORT[:-1], ids_of(" four")[0])), *printed("two", SHORT, ended=ended)]
    scored = [score("three", (*SHORT[:-1], ids_of(" four")[0])), score("three", SHORT, {4: (5, 9.0)})]
    found = judged(trials, scored, declared="text alone")
    assert (found.verdict, found.acceptable) == (verdict, False), found.sentence
    assert "greedy" not in found.sentence


@pytest.mark.parametrize("nats", [NEAR, FAR])
def test_a_short_answer_that_differs_at_its_last_token_is_not_covered(nats: float) -> None:
    trials = [*shown("one", FOUR), *printed("two", SHORT)]
    scored = [score("one", FOUR, {1: (80, -0.2)}, number=1), score("one", SHORT, {4: (5, nats)})]
    found = judged(trials, scored, declared="text alone")
    assert (found.verdict, found.acceptable) == ("UNPROVEN", False), found.sentence


def test_a_scorer_that_finds_everything_likely_does_not_outvote_one_that_contradicts() -> None:
    def flat(t: Trial) -> Trial:
        return t.but(scores=tuple(s.but(logprob=-10.0, top=((s.id, -10.0), (81, -10.0))) for s in t.scores))

    against = dict.fromkeys(range(len(GARBAGE)), (5, 9.0))
    scored = [flat(score("three", FOUR)), flat(score("three", GARBAGE)), score("four", FOUR)]
    trials = [*printed("one", FOUR), *printed("two", GARBAGE)]
    found = judged(trials, [*scored, score("four", GARBAGE, against)], declared="text alone")
    assert (found.verdict, found.acceptable) == ("UNPROVEN", False)
    assert "four contradicts that of two" in found.sentence


def test_a_baseline_that_contradicts_the_text_is_not_outvoted_either() -> None:
    trials = [*shown("one", FOUR), *printed("two", FIVE)]
    scored = [score("one", FOUR, {2: (80, -0.2)}, number=1), score("one", FIVE, {4: (5, 8.0)})]
    witness = [score("four", FOUR), score("four", FIVE, {4: (5, NEAR)})]
    found = judged(trials, [*scored, *witness], declared="text alone")
    assert (found.verdict, found.acceptable) == ("UNPROVEN", False)


def test_a_scorer_that_lists_nothing_neither_explains_nor_contradicts() -> None:
    def unlisted(t: Trial) -> Trial:
        return t.but(scores=tuple(s.but(top=()) for s in t.scores))

    trials = [*printed("one", FOUR), *printed("two", GARBAGE)]
    found = judged(trials, [unlisted(score("three", FOUR)), unlisted(score("three", GARBAGE))], declared="text alone")
    assert (found.verdict, found.acceptable) == ("UNPROVEN", False)


def test_a_runtime_does_not_vouch_for_itself_and_neither_does_its_library() -> None:
    itself = [score("two", FIVE, number=1), score("two", FOUR, {4: (6, NEAR)})]
    found = judged([*printed("one", FOUR), *shown("two", FIVE)], itself, declared="x")
    assert (found.verdict, found.acceptable) == ("UNPROVEN", False)
    assert "no engine but that of two, by the scores of two," in found.sentence
    tie = scored_by("three", two={4: (5, NEAR)})
    assert not judged(BOTH, tie, declared="x", libraries={"two": "0.9.1", "three": "0.11.1"}).counts
    assert judged(BOTH, tie, declared="x", libraries={"one": "0.9.1", "three": "0.11.1"}).counts


def test_all_rounds_of_a_sampler_must_be_texts_that_were_scored() -> None:
    first, second = printed("two", FIVE, sampling="temperature 0.001")
    tie = scored_by("three", two={4: (5, NEAR)})
    for text, counts in ((text_of(FIVE), True), (text_of(FOUR), True), ("zxq vbn from a stale cache entirely", False)):
        found = judged([*printed("one", FOUR), first, second.but(text=text)], tie, declared="it samples")
        assert found.counts == counts, found.sentence


@pytest.mark.parametrize(("nats", "verdict"), [(0.01, "UNPROVEN"), (FAR, "WRONG")])
def test_rounds_of_texts_may_part_at_a_near_tie_by_the_scores_of_others(nats: float, verdict: str) -> None:
    first, second = printed("two", FIVE)
    odd = second.but(text=text_of(FOUR), text_ids=FOUR)
    found = judged([*printed("one", FOUR), first, odd], scored_by("three", two={4: (5, nats)}), declared="text alone")
    assert (found.verdict, found.acceptable) == (verdict, False), found.sentence
    assert "two is not deterministic: round 2 of 2 gave other text than round 1" in found.sentence


def test_rounds_of_texts_may_part_at_a_temperature() -> None:
    for temperature, verdict in ((0, "WRONG"), (0.01, "UNPROVEN")):
        first, second = printed("two", FIVE, temperature_in_effect=temperature)
        found = judged([*printed("one", FOUR), first, second.but(text=text_of(FOUR))], [], declared="text alone")
        assert (found.verdict, found.acceptable) == (verdict, False), found.sentence


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_answer_of_white_space_is_one_that_differs(text: str) -> None:
    two = [t.but(text=text, text_ids=None) for t in printed("two", FIVE)]
    found = judged([*printed("one", FOUR), *two], [score("three", FOUR)], declared="text alone")
    assert (found.verdict, found.acceptable) == ("UNPROVEN", False)
    assert "two gave an answer without a word" in found.sentence
    odd = [*printed("one", FOUR), *printed("two", FOUR)[:1], two[1]]
    assert judged(odd, [], declared="text alone").verdict == "WRONG"


def test_a_runtime_that_runs_on_after_the_end_token_is_judged_by_scores() -> None:
    more = (*FOUR, *GARBAGE)
    trials = [*printed("one", FOUR, ended=True), *printed("two", more)]
    scored = [score("three", FOUR), score("three", more, dict.fromkeys(range(9, 15), (5, 9.0)))]
    found = judged(trials, scored, declared="text alone")
    assert (found.verdict, found.acceptable) == ("WRONG", False), found.sentence
    ends = [score("three", FOUR), score("three", more, {9: (END, 9.0)})]
    found = judged(trials, ends, declared="text alone")
    assert (found.verdict, found.acceptable) == ("UNPROVEN", False), found.sentence


# a baseline that is sure of its answer


SURE = [score("one", FOUR, number=1)]


def without_ids(text: str) -> OutputVerdict:
    """A text of which nobody scored anything, beside a baseline that is sure of its own."""
    two = [t.but(text=text, text_ids=None) for t in printed("two", FOUR)]
    return judged([*shown("one", FOUR), *two], SURE)


@pytest.mark.parametrize("text", ["Two plus two is four .  Next Next Next", f"<s>{THEIRS}"])
def test_what_is_printed_around_or_between_the_same_words_is_not_wrong(text: str) -> None:
    assert without_ids(text).verdict == "UNPROVEN"


def test_a_sure_baseline_makes_other_words_wrong_of_which_nothing_was_scored() -> None:
    assert without_ids("Two plus two is five. Next Next Next").verdict == "WRONG"


def test_a_sure_baseline_does_not_overrule_the_scores_of_a_text() -> None:
    ids = ids_of("Two", " plus", " two", " is", " four", ".", " Next", " Next")
    two = [t.but(text="Two plus two is four . Next Next") for t in printed("two", ids)]
    found = judged([*shown("one", ids), *two], [score("one", ids, number=1)])
    assert found.verdict == "UNPROVEN", found.sentence
    assert "no near-tie" not in found.sentence


# samplers


@pytest.mark.parametrize(
    ("temperature", "nats", "verdict", "acceptable"),
    [
        # ln(9 × 2^18 ÷ 1e-4) is 23.9: what is called wrong grows by 0.024 at 0.001, and by 2.39 at 0.1.
        (0.001, WRONG + 0.01, "UNPROVEN", False),
        (0.001, WRONG + 0.04, "WRONG", False),
        (0.1, 3.0, "UNPROVEN", True),
        (0.1, WRONG + 2.1, "UNPROVEN", False),
        (0.1, WRONG + 2.5, "WRONG", False),
        (1.0, 9.0, "UNPROVEN", True),
    ],
)
def test_a_sampler_is_held_to_its_temperature(temperature: float, nats: float, verdict: str, acceptable: bool) -> None:
    trials = [*printed("one", FOUR), *printed("two", FIVE, sampling=f"temperature {temperature:g}, top_p 0.9")]
    found = judged(trials, scored_by("three", two={4: (5, nats)}), declared="it samples")
    assert (found.verdict, found.acceptable) == (verdict, acceptable), found.sentence
    if acceptable:
        assert "both texts are such as their sampling allows by the scores of three" in found.sentence
        mean = -(nats + 0.05 + 7 * 0.001) / 8
        assert f"a token has {mean:.3g} nats in that of two and -0.001 in that of one, on average" in found.sentence


def test_a_program_that_is_greedy_in_effect_has_the_slack_of_its_temperature() -> None:
    for found, verdict in ((None, "WRONG"), (0.01, "UNPROVEN"), ("0.01", "UNPROVEN"), ("low", "UNPROVEN")):
        settings = {} if found is None else {"temperature_in_effect": found}
        trials = [*printed("one", FOUR), *printed("two", FIVE, **settings)]
        assert judged(trials, scored_by("three", two={4: (5, WRONG + 0.1)})).verdict == verdict


@pytest.mark.parametrize("sampling", [None, "greedy, repeat penalty 1.3"])
def test_a_runtime_of_which_the_sampling_is_not_known_is_not_called_wrong(sampling: str | None) -> None:
    trials = [*printed("one", FOUR), *printed("two", FIVE, sampling=sampling)]
    found = judged(trials, scored_by("three", two=IS_FOUR), declared="text alone")
    assert (found.verdict, found.acceptable) == ("UNPROVEN", False)


@pytest.mark.parametrize(("setting", "on", "off"), [("presence_penalty", 1.5, 0), ("mirostat", 2, "off")])
def test_a_sampler_that_does_more_than_draw_is_not_called_wrong(setting: str, on: Scalar, off: Scalar) -> None:
    for value, verdict in ((on, "UNPROVEN"), (off, "WRONG")):
        trials = [*printed("one", FOUR), *printed("two", FIVE, **{setting: value})]
        assert judged(trials, scored_by("three", two=IS_FOUR)).verdict == verdict


# one library

CANDLE = {
    "device": "cpu",
    "threads": 2,
    "kv_cache_dtype": "f32",
    "rope_table_dtype": "f32",
    "token_embedding": "dequantised to f32",
    "cpu_avx2": True,
    "cpu_f16c": True,
    "cpu_neon": False,
    "build_features": "none",
}
SAME = {"one": "0.11.1", "two": "0.11.1"}


def built(libraries: Mapping[str, str] = SAME, one: Mapping[str, Scalar] = CANDLE, **two: Scalar) -> OutputVerdict:
    """Of two texts that part at a near-tie by a third runtime. `two`: what differs in its settings."""
    trials = [*printed("one", FOUR, **one), *printed("two", FIVE, **{**CANDLE, **two})]
    scored = scored_by("three", two={4: (5, NEAR)})
    return judged(trials, scored, libraries=libraries, declared="text alone")


def test_two_programs_of_one_library_that_are_set_up_alike_may_not_part_even_at_a_near_tie() -> None:
    found = built()
    assert found.verdict == "DRIFT"
    assert "both are built with candle-core 0.11.1 and set up alike, which gives the same text" in found.sentence
    assert "near-tie" in found.sentence
    assert built(build_features="").verdict == "DRIFT"


@pytest.mark.parametrize(
    "libraries",
    [{}, {"one": "0.11.1"}, {"one": "0.11.1", "two": "0.11.0"}, {"one": "0.9.1", "two": "0.9.1 at 1a2b3c4"}],
    ids=["not known", "known of one", "another version", "another revision"],
)
def test_other_libraries_may_part_at_a_near_tie(libraries: Mapping[str, str]) -> None:
    assert built(libraries).counts


@pytest.mark.parametrize(
    "two",
    [
        {"threads": 1},
        {"threads": None},
        {"rope_table_dtype": "f16"},
        {"device": "metal"},
        {"cpu_avx2": False},
        {"build_features": "mkl"},
        {"temperature_in_effect": 1e-6},
    ],
    ids=lambda two: next(iter(two)),
)
def test_programs_of_one_library_that_are_set_up_otherwise_may_part_at_a_near_tie(two: Mapping[str, Scalar]) -> None:
    assert built(**two).counts


def test_programs_on_a_gpu_may_part_at_a_near_tie() -> None:
    assert built(SAME, {**CANDLE, "device": "metal"}, device="metal").counts


def test_one_library_does_not_blame_for_a_baseline_that_is_contradicted() -> None:
    trials = [*printed("one", FOUR, **CANDLE), *printed("two", FIVE, **CANDLE)]
    assert judged(trials, [], libraries=SAME).verdict == "DRIFT"
    assert judged(trials, scored_by("three", one={4: (6, FAR)}, two={}), libraries=SAME).verdict == "UNPROVEN"
    cut = [*printed("one", FOUR, **CANDLE), *printed("two", FOUR[:5], **CANDLE)]
    assert judged(cut, [], libraries=SAME).verdict == "UNPROVEN"


# scores that were due and are missing


BUSY = "other programs used 1.50 of 2 CPUs while it ran (limit 0.50)"


@pytest.mark.parametrize(("number", "what"), [(1, "the sequence"), (3, "the text of one"), (4, "the text of two")])
@pytest.mark.parametrize("kind", ["timeout:total", "interrupted", "crash", "not begun"])
def test_no_declaration_covers_a_text_that_a_runtime_was_to_score_and_did_not(
    number: int, what: str, kind: str
) -> None:
    scored = scored_by("three", two={4: (5, NEAR)})
    assert judged(BOTH, scored, declared="text alone").counts
    silent = score("four", FIVE, number=number).but(scores=(), failure=Failure(kind=kind, message="it ended"))
    silent = silent.but(void=BUSY if kind == "timeout:total" else None)
    if kind == "not begun":
        due: dict[tuple[str, TrialKind, int], str] = {("four", "full", number): "the run ended before that"}
        found = judged(BOTH, scored, declared="text alone", not_begun=due)
    else:
        found = judged(BOTH, [*scored, silent], declared="text alone")
    assert (found.verdict, found.counts) == ("UNPROVEN", False)
    assert f"scored {what}" in found.sentence or f"score {what}" in found.sentence
    assert "four " in found.sentence


def test_no_declaration_covers_a_text_that_was_scored_while_a_file_changed() -> None:
    changed = Departure(fact="changed", sentence="four.gguf was changed while it ran")
    scored = [*scored_by("three", two={4: (5, NEAR)}), score("four", FIVE, number=4).but(departures=(changed,))]
    found = judged(BOTH, scored, declared="text alone")
    assert (found.verdict, found.counts) == ("UNPROVEN", False)
    assert "four scored the text of two, and four.gguf was changed while it ran" in found.sentence


def test_the_text_of_another_runtime_that_was_not_scored_says_nothing_of_this_one() -> None:
    silent = score("four", FIVE, number=5).but(scores=(), failure=Failure(kind="crash", message="it died"))
    assert judged(BOTH, [*scored_by("three", two={4: (5, NEAR)}), silent], declared="text alone").counts


def test_rounds_of_a_text_are_not_called_wrong_for_scores_that_are_missing() -> None:
    odd = [t.but(text=text_of(FIVE), text_ids=FIVE) if t.round == 2 else t for t in printed("two", FOUR)]
    trials = [*printed("one", FOUR), *odd]
    assert judged(trials, []).verdict == "WRONG"
    void = score("three", FOUR, number=4).but(
        scores=(), void=BUSY, failure=Failure(kind="timeout:total", message="late")
    )
    found = judged(trials, [void])
    assert (found.verdict, found.acceptable) == ("UNPROVEN", False)
    assert "three could not score the text of two on a busy machine" in found.sentence


@pytest.mark.parametrize(
    ("text", "met_end", "past_end", "agrees"),
    [
        ("Two plus two is four. And what else would you like to know about numbers?", True, True, True),
        ("Two plus two is four. And what else would you like to know about numbers?", True, False, False),
        ("Two plus two is four. And what else would you like to know about numbers?", False, True, False),
        ("Two plus two is five. And what else would you like to know about numbers?", True, True, False),
    ],
)
def test_what_comes_after_an_end_token_is_not_held_against_a_server(
    text: str, met_end: bool, past_end: bool, agrees: bool
) -> None:
    def side(runtime: str, said: str, **fields: object) -> Side:
        ran = identity(runtime, "greedy", past_end=past_end)
        shown = trial(runtime, 1, {"gen_tps": 1.0}, identity=ran, text=said, **fields)
        return Side(runtime, (shown,), None, None, True, {})

    compared = compare_texts(side("one", "Two plus two is four.", met_end=met_end), side("two", text))
    assert compared is not None
    assert compared.agree == agrees
