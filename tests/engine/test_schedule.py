"""The order of trials: interleaved, drawn from the seed, the same every time; and which comes next."""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.config import Config
from parity.judging.evidence import Pair
from parity.records import Failure, Measurement, Slot, Trial
from parity.run.due import Due, Undecided
from parity.run.giving_up import given_up, not_run
from parity.run.schedule import Arms, estimate_s, planned, schedule
from parity.run.sequences import sequence_of


def config(**changes: object) -> Config:
    whole = {
        "name": "c",
        "baseline": "one",
        "models": ({"name": "m", "source": "m"}, {"name": "n", "source": "n"}),
        "tests": (
            {"name": "t", "prompt": "p", "max_tokens": 5},
            {"name": "only-n", "prompt": "p", "max_tokens": 5, "models": ("n",)},
        ),
        "runtimes": {name: {"adapter": "command"} for name in ("one", "two", "three")},
        "rounds": {"count": 4, "warmup": 1, "seed": 3},
        **changes,
    }
    return Config.model_validate(whole)


def make_plan(config: Config, unset: Sequence[str] = ()) -> list[Slot]:
    return [slot for turn in schedule(config, unset) for slot in turn]


def trial(slot: Slot, failure: str | None = None) -> Trial:
    failed = Failure(kind=failure, message="") if failure else None
    fields = slot.model_dump(exclude={"host"})
    return Trial(file="f", failure=failed, **fields)


def test_every_round_takes_every_cell_once() -> None:
    plan = make_plan(config())
    seen = Counter((trial.warmup, trial.round, trial.cell) for trial in plan)
    assert set(seen.values()) == {1}
    assert len(plan) == 5 * 3 * 3


def test_warm_up_comes_first_and_rounds_follow_one_another() -> None:
    turns = [(not trial.warmup, trial.round) for trial in make_plan(config())]
    assert turns == sorted(turns)


def orders(*names: str, rounds: int, seed: int = 3, **changes: object) -> list[tuple[str, ...]]:
    runtimes = {name: {"adapter": "command"} for name in names}
    plan = make_plan(config(runtimes=runtimes, baseline=names[0], rounds={"count": rounds, "seed": seed}, **changes))
    mine = [t for t in plan if (t.test, t.model, t.warmup) == ("t", "m", False)]
    return [tuple(t.runtime for t in mine if t.round == r) for r in range(1, rounds + 1)]


def test_the_order_follows_the_seed() -> None:
    assert orders("one", "two", rounds=20) == orders("one", "two", rounds=20)
    assert orders("one", "two", rounds=20) != orders("one", "two", rounds=20, seed=4)


@pytest.mark.parametrize("names", [("one", "two"), ("one", "two", "three"), ("a", "b", "c", "d"), tuple("abcde")])
@settings(deadline=None)
@given(seed=st.integers(0, 1000))
def test_over_the_rounds_each_runtime_is_equally_often_in_each_place_and_before_each_other(
    names: tuple[str, ...], seed: int
) -> None:
    size = len(names)
    block = size if size % 2 == 0 else 2 * size
    found = orders(*names, rounds=2 * block, seed=seed)
    for start in (0, block):
        places = Counter((name, place) for row in found[start : start + block] for place, name in enumerate(row))
        assert set(places.values()) == {block // size}
        follows = Counter(pair for row in found[start : start + block] for pair in itertools.pairwise(row))
        assert len(follows) == size * (size - 1)
        assert len(set(follows.values())) == 1
    assert all(one == other[::-1] for one, other in zip(found[::2], found[1::2], strict=True))


def test_with_two_budgets_the_second_of_two_rounds_runs_everything_in_reverse() -> None:
    tests = ({"name": "t", "prompt": "p", "max_tokens": 50, "short_tokens": 10},)
    plan = [s for s in make_plan(config(tests=tests, rounds={"count": 8})) if s.model == "m" and not s.warmup]
    rounds = [[(s.runtime, s.kind) for s in plan if s.round == k] for k in range(1, 9)]
    assert all(one == other[::-1] for one, other in zip(rounds[::2], rounds[1::2], strict=True))


# rounds that depend on what the earlier ones show


def adaptive(**rounds: object) -> Config:
    return config(
        models=({"name": "m", "source": "m"},),
        tests=({"name": "t", "prompt": "p", "max_tokens": 5}, {"name": "u", "prompt": "p", "max_tokens": 5}),
        rounds={"warmup": 0, **rounds},
    )


def run_all(config: Config, undecided: Undecided, of: Callable[[Slot], Trial] | None = None) -> list[Trial]:
    trials: list[Trial] = []
    while (turn := Due(config, trials, undecided=undecided).next_turn()) is not None:
        trials += [(of or trial)(slot) for slot in turn]
    return trials


def counts(trials: Sequence[Trial]) -> dict[str, int]:
    return {test: len({t.round for t in trials if t.test == test}) for test in ("t", "u")}


def rounds_of(pair: Pair, trials: Sequence[Trial]) -> int:
    """How many measured rounds of a model and test have begun."""
    return max((t.round for t in trials if (t.model, t.test) == pair and t.is_measured), default=0)


def until(**rounds: int) -> Undecided:
    """Gates that are undecided until so many rounds of a test ran."""
    return lambda pair, trials: ["g"] if rounds_of(pair, trials) < rounds.get(pair[1], 0) else []


def test_each_test_gets_rounds_until_its_gates_are_decided() -> None:
    assert counts(run_all(adaptive(), until(t=9))) == {"t": 9, "u": 5}
    assert counts(run_all(adaptive(), until(t=99, u=7))) == {"t": 20, "u": 7}
    assert counts(run_all(adaptive(least=6, max=8), until(t=99))) == {"t": 8, "u": 6}


def test_a_fixed_number_of_rounds_depends_on_nothing() -> None:
    assert counts(run_all(adaptive(fixed=3), until(t=99))) == {"t": 3, "u": 3}
    assert counts(run_all(adaptive(count=7), until())) == {"t": 7, "u": 7}


def test_gates_are_judged_by_whole_rounds_and_a_round_that_began_is_finished() -> None:
    judged: list[int] = []

    def ask(pair: Pair, trials: Sequence[Trial]) -> list[str]:
        judged.append(rounds_of(pair, trials))
        ran = Counter(t.round for t in trials if (t.model, t.test) == pair)
        assert ran == dict.fromkeys(range(1, judged[-1] + 1), 3)
        return ["g"] if judged[-1] < 6 else []

    trials = run_all(adaptive(), ask)
    assert counts(trials) == {"t": 6, "u": 6}
    [cut] = [t for t in trials if t.test == "t" and t.round == 6][-1:]
    left = [t for t in trials if t is not cut]
    turn = Due(adaptive(), left, undecided=lambda pair, trials: []).next_turn()
    assert turn is not None
    assert [slot.place for slot in turn] == [cut.place]


@pytest.mark.parametrize(("ran", "left", "judged"), [(0, {1, 2, 3, 4, 5}, 0), (4, {5}, 0), (5, {6}, 2), (6, {7}, 2)])
def test_a_round_beyond_the_least_ones_is_due_once_all_before_it_ran(ran: int, left: set[int], judged: int) -> None:
    asked: list[Pair] = []

    def ask(pair: Pair, trials: Sequence[Trial]) -> list[str]:
        asked.append(pair)
        return ["g"]

    trials = [trial(slot) for slot in make_plan(adaptive()) if slot.round <= ran]
    found = Due(adaptive(), trials, undecided=ask).slots
    assert {slot.round for slot in found} == left
    assert len(asked) == judged


def test_no_round_begins_once_the_time_is_up() -> None:
    def took(slot: Slot) -> Trial:
        wall = Measurement(metric="wall_s", unit="s", definition="spawn-to-exit", provenance="observed", value=10.0)
        return trial(slot).but(measurements=(wall,))

    # 30 s a turn of three runtimes; five rounds of two tests take 300 s.
    assert counts(run_all(adaptive(max_s=360), until(t=99, u=99), took)) == {"t": 6, "u": 6}
    assert counts(run_all(adaptive(max_s=100), until(t=99, u=99), took)) == {"t": 5, "u": 5}


def test_a_turn_with_a_void_trial_runs_again_as_a_whole_and_not_for_ever() -> None:
    def busy(slot: Slot) -> Trial:
        void = "others" if (slot.test, slot.round, slot.runtime) == ("t", 2, "one") and slot.attempt < 3 else None
        return trial(slot).but(void=void)

    trials = run_all(adaptive(fixed=5), until(), busy)
    assert {t.attempt for t in trials if t.test == "t" and t.round == 2} == {1, 2, 3}
    assert Counter(t.runtime for t in trials if t.test == "t" and t.round == 2) == {"one": 3, "two": 3, "three": 3}
    assert {t.attempt for t in trials if t.round != 2 or t.test == "u"} == {1}
    always = run_all(adaptive(fixed=4), until(), lambda slot: trial(slot).but(void="others"))
    assert max(Counter((t.test, t.runtime) for t in always).values()) == 4 + 2


def test_a_test_runs_only_on_the_models_that_it_names() -> None:
    assert {t.model for t in make_plan(config()) if t.test == "only-n"} == {"n"}


def test_runtimes_that_are_not_set_are_left_out() -> None:
    assert {t.runtime for t in make_plan(config(), ["two"])} == {"one", "three"}


def test_both_budgets_of_a_test_run_in_the_same_turn() -> None:
    tests = ({"name": "t", "prompt": "p", "max_tokens": 50, "short_tokens": 10},)
    plan = make_plan(config(tests=tests))
    pairs = [plan[k : k + 2] for k in range(0, len(plan), 2)]
    assert all(a.cell == b.cell and a.round == b.round and {a.kind, b.kind} == {"full", "short"} for a, b in pairs)
    assert len({a.kind for a, _ in pairs}) == 2


def test_whole_trials_come_last_and_only_where_they_are_asked_for() -> None:
    runtimes = {"one": {"adapter": "command"}, "two": {"adapter": "command", "whole_trials": 2}}
    plan = make_plan(config(runtimes=runtimes))
    whole = [t for t in plan if t.kind == "whole"]
    assert {t.runtime for t in whole} == {"two"}
    assert len(whole) == 2 * 3
    assert plan[-len(whole) :] == whole


def test_an_estimate_takes_the_typical_cell_for_one_never_seen() -> None:
    plan = make_plan(config(rounds={"count": 1, "warmup": 0}))
    assert estimate_s(plan, {}) is None
    assert estimate_s(plan, {("m", "t", "one"): 2.0}) == 2.0 * len(plan)


def test_every_cell_is_planned_with_its_trials_counted() -> None:
    counts = planned(config(), ["two"])
    assert counts == {(m, t, r): 5 for m, t in (("m", "t"), ("n", "t"), ("n", "only-n")) for r in ("one", "three")}


def test_next_turn_walks_through_the_whole_schedule_and_ends() -> None:
    trials: list[Trial] = []
    slots: list[Slot] = []
    while (turn := Due(config(), trials).next_turn()) is not None:
        slots += turn
        trials += [trial(slot) for slot in turn]
    assert slots == make_plan(config())


def test_a_turn_holds_all_runtimes_of_one_model_and_test_in_one_round() -> None:
    turn = Due(config(), []).next_turn()
    assert turn is not None
    assert {(slot.model, slot.test, slot.round, slot.warmup) for slot in turn} == {("m", "t", 1, True)}
    assert {slot.runtime for slot in turn} == {"one", "two", "three"}


def test_an_interrupted_trial_comes_again_as_the_next_attempt() -> None:
    plan = make_plan(config())
    turn = Due(config(), [trial(plan[0]), trial(plan[1], "interrupted")]).next_turn()
    assert turn == (plan[1].but(attempt=2), plan[2])


def test_a_failed_trial_does_not_come_again() -> None:
    plan = make_plan(config())
    assert Due(config(), [trial(plan[0], "crash:SIGSEGV")]).next_turn() == tuple(plan[1:3])


def test_cells_that_were_given_up_get_no_more_trials() -> None:
    lost = dict.fromkeys(((m, t, "two") for m, t in (("m", "t"), ("n", "t"), ("n", "only-n"))), "why")
    trials: list[Trial] = []
    while (turn := Due(config(), trials, given_up=lost).next_turn()) is not None:
        trials += [trial(slot) for slot in turn]
    assert {t.runtime for t in trials} == {"one", "three"}
    assert len(trials) == 2 * 3 * 5


@pytest.mark.parametrize(("voids", "answer"), [((True, False), 8), ((False, True), 7), ((True, True), 7)])
def test_an_answer_of_a_void_trial_is_scored_only_where_there_is_no_other(voids: tuple[bool, ...], answer: int) -> None:
    answers = [
        trial(Slot(model="m", test="t", runtime="one", round=number)).but(
            prompt_ids=(1, 2), output_ids=(6 + number,), void="the machine was busy" if void else None
        )
        for number, void in enumerate(voids, start=1)
    ]
    asked = sequence_of(config(), Slot(model="m", test="t", runtime="two", round=1, task="score"), answers)
    assert asked is not None
    assert (asked.ids, asked.prompt_tokens) == ((1, 2, answer), 2)


def with_truth(**gate: object) -> Config:
    """One model and two tests; a gate that asks for the truth covers the first."""
    gates = ({"name": "same", "kind": "outputs", "truth": True, "tests": ("t",), **gate},)
    tests = ({"name": "t", "prompt": "p", "max_tokens": 5}, {"name": "u", "prompt": "p", "max_tokens": 5})
    models = ({"name": "m", "source": "m"},)
    return config(gates=gates, tests=tests, models=models, rounds={"count": 1, "warmup": 0})


ARMS = {"m": ("one", "three")}


def done(slot: Slot, failure: str | None = None) -> Trial:
    """Its trial; one that generates shows its ids."""
    return trial(slot, failure).but(prompt_ids=(1, 2), output_ids=(3, 4, 5, 6, 7))


def in_order(config: Config, trials: list[Trial], arms: Arms = ARMS) -> list[Slot]:
    """Every slot that comes after these trials, each filled before the next is asked for."""
    found = []
    while turn := Due(config, trials, scorers={"one", "two"}, arms=arms).next_turn():
        found.append(turn[0])
        trials = [*trials, done(turn[0])]
    return found


def test_the_exact_arm_scores_after_the_runtimes_of_its_test_and_only_there() -> None:
    found = [slot for slot in in_order(with_truth(), []) if slot.task == "score"]
    assert [(slot.test, slot.kind, slot.runtime, slot.round) for slot in found] == [
        ("t", "full", "one", 1),
        ("t", "full", "two", 1),
        ("t", "exact", "one", 1),
        ("t", "exact", "three", 1),
    ]
    assert not any(slot.is_measured for slot in found)


@pytest.mark.parametrize("arms", [{}, {"n": ("one",)}, {"m": ()}])
def test_a_model_without_an_f32_file_has_no_exact_arm(arms: dict[str, tuple[str, ...]]) -> None:
    assert {slot.kind for slot in in_order(with_truth(), [], arms)} == {"full"}


@pytest.mark.parametrize("gate", [{"truth": False}, {"runtimes": ("four",)}])
def test_no_truth_is_sought_that_no_gate_asks_for(gate: dict[str, object]) -> None:
    runtimes = {name: {"adapter": "command", "optional": True} for name in ("one", "two", "three", "four")}
    asked = with_truth(**gate).but(runtimes={**config(runtimes=runtimes).runtimes})
    slots = [s for turn in schedule(asked, ("four",), frozenset({"one"}), ARMS) for s in turn]
    assert "exact" not in {slot.kind for slot in slots}


def test_a_run_goes_on_after_each_of_its_trials_where_it_was_cut_off() -> None:
    whole = in_order(with_truth(), [])
    for ran in range(len(whole)):
        trials = [done(slot) for slot in whole[:ran]]
        assert in_order(with_truth(), trials) == whole[ran:]
        again = in_order(with_truth(), [*trials, done(whole[ran], "interrupted")])
        assert again == [whole[ran].but(attempt=2), *whole[ran + 1 :]]


def test_a_failed_trial_of_the_arm_is_not_tried_again_and_takes_no_other_with_it() -> None:
    asked = with_truth()
    whole = in_order(asked, [])
    trials = [done(slot, "crash" if slot.kind == "exact" else None) for slot in whole]
    assert Due(asked, trials, scorers={"one", "two"}, arms=ARMS).next_turn() is None
    assert given_up(asked, trials, {}) == {}
    assert list(not_run(asked, trials, {})) == []


def test_the_arm_scores_what_the_runtimes_score() -> None:
    asked = with_truth()
    trials = [done(slot) for slot in in_order(asked, []) if slot.task == "generate"]
    arm = next(slot for slot in in_order(asked, []) if slot.kind == "exact")
    request = sequence_of(asked, arm, trials)
    assert request is not None
    assert request.ids == (1, 2, 3, 4, 5, 6, 7)
    assert request == sequence_of(asked, arm.but(kind="full"), trials)


# trials that score and that a busy machine kept from a result


def scoring(trials: Sequence[Trial], earlier: int = 0, rounds: int = 1) -> list[tuple[str, str, int]]:
    """The slots of the next turn: runtime, kind and attempt."""
    asked = with_truth().but(rounds=config(rounds={"fixed": rounds, "warmup": 0}).rounds)
    turn = Due(asked, trials, scorers={"one", "two"}, arms=ARMS, earlier=earlier).next_turn()
    return [(slot.runtime, slot.kind, slot.attempt) for slot in turn or ()]


def late(slot: Slot) -> Trial:
    return done(slot, "timeout:total").but(void="the machine was busy")


@pytest.mark.parametrize("kind", ["full", "exact"])
def test_a_void_score_comes_again_alone_and_once_in_one_go(kind: str) -> None:
    whole = in_order(with_truth(), [])
    trials = [
        late(slot) if (slot.task, slot.kind, slot.runtime) == ("score", kind, "one") else done(slot) for slot in whole
    ]
    assert scoring(trials) == [("one", kind, 2)]
    [again] = [trial for trial in trials if trial.void is not None]
    assert scoring([*trials, again.but(attempt=2)]) == []
    assert (
        scoring(
            [*trials, done(Slot(model="m", test="t", runtime="one", task="score", kind=again.kind, round=1, attempt=2))]
        )
        == []
    )


def test_it_comes_again_when_the_run_is_resumed() -> None:
    whole = in_order(with_truth(), [])
    void = next(late(slot) for slot in whole if slot.task == "score")
    trials = [done(slot) for slot in whole if slot.place != void.place]
    trials += [void, void.but(attempt=2)]
    assert scoring(trials) == []
    assert scoring(trials, earlier=len(trials)) == [("one", "full", 3)]
    tried = [*trials, void.but(attempt=3)]
    assert scoring(tried, earlier=len(trials)) == [("one", "full", 4)]
    assert scoring([*tried, void.but(attempt=4)], earlier=len(trials)) == []


@pytest.mark.parametrize(
    ("kind", "again"), [("refused", True), ("unavailable", True), ("crash", False), ("oom", False)]
)
def test_a_score_that_never_ran_comes_again_when_the_run_is_resumed_and_a_crash_does_not(
    kind: str, again: bool
) -> None:
    trials = [done(slot, kind if slot.kind == "exact" else None) for slot in in_order(with_truth(), [])]
    assert scoring(trials) == []
    expected = [("one", "exact", 2), ("three", "exact", 2)] if again else []
    assert scoring(trials, earlier=len(trials)) == expected


def test_void_scores_take_no_repeat_from_the_rounds_and_void_rounds_none_from_the_scores() -> None:
    asked = with_truth()
    whole = in_order(asked, [])
    rounds = [slot for slot in whole if slot.task == "generate"]
    void = [trial(slot).but(void="busy", prompt_ids=(1, 2), output_ids=(3, 4)) for slot in rounds]
    # As often as rounds run again: what they take is used up.
    trials = [t.but(attempt=k) for k in (1, 2, 3) for t in void]
    scores = [late(slot) for slot in whole if (slot.task, slot.kind) == ("score", "full")]
    assert scoring([*trials, *scores]) == [("one", "full", 2), ("two", "full", 2)]
    assert len(scoring(void)) == 3
    assert scoring([*void, *scores, *[s.but(attempt=2) for s in scores]]) == scoring(void)
