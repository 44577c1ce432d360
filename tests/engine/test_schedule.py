"""The order of trials: interleaved, drawn from the seed, the same every time; and which comes next."""

from collections import Counter
from collections.abc import Sequence

from parity.config import Config
from parity.records import Failure, Slot, Trial
from parity.run.schedule import estimate_s, next_turn, planned, schedule


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


def test_the_order_within_rounds_is_shuffled_and_follows_the_seed() -> None:
    def orders(seed: int) -> list[tuple[str, ...]]:
        plan = make_plan(config(rounds={"count": 20, "warmup": 0, "seed": seed}))
        return [tuple(t.runtime for t in plan if (t.round, t.test, t.model) == (r, "t", "m")) for r in range(1, 21)]

    assert orders(1) == orders(1)
    assert orders(1) != orders(2)
    assert len(set(orders(1))) > 3


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
    while (turn := next_turn(config(), trials)) is not None:
        slots += turn
        trials += [trial(slot) for slot in turn]
    assert slots == make_plan(config())


def test_a_turn_holds_all_runtimes_of_one_model_and_test_in_one_round() -> None:
    turn = next_turn(config(), [])
    assert turn is not None
    assert {(slot.model, slot.test, slot.round, slot.warmup) for slot in turn} == {("m", "t", 1, True)}
    assert {slot.runtime for slot in turn} == {"one", "two", "three"}


def test_an_interrupted_trial_comes_again_as_the_next_attempt() -> None:
    plan = make_plan(config())
    turn = next_turn(config(), [trial(plan[0]), trial(plan[1], "interrupted")])
    assert turn == (plan[1].but(attempt=2), plan[2])


def test_a_failed_trial_does_not_come_again() -> None:
    plan = make_plan(config())
    assert next_turn(config(), [trial(plan[0], "crash:SIGSEGV")]) == tuple(plan[1:3])


def test_cells_that_were_given_up_get_no_more_trials() -> None:
    lost = dict.fromkeys(((m, t, "two") for m, t in (("m", "t"), ("n", "t"), ("n", "only-n"))), "why")
    trials: list[Trial] = []
    while (turn := next_turn(config(), trials, given_up=lost)) is not None:
        trials += [trial(slot) for slot in turn]
    assert {t.runtime for t in trials} == {"one", "three"}
    assert len(trials) == 2 * 3 * 5
