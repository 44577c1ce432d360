"""The order of trials: interleaved, drawn from the seed, the same every time."""

from collections import Counter

from parity.config import Config
from parity.run.schedule import cells_of, estimate_s, make_plan


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


def test_every_round_takes_every_cell_once() -> None:
    plan = make_plan(config())
    assert [trial.number for trial in plan] == list(range(1, len(plan) + 1))
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
    assert plan[-len(whole) :] == tuple(whole)


def test_file_names_are_unique_and_sort_in_order() -> None:
    files = [trial.file for trial in make_plan(config())]
    assert files == sorted(set(files))


def test_long_names_give_file_names_that_any_system_takes() -> None:
    runtimes = {letter * 80: {"adapter": "command"} for letter in "ab"}
    models = ({"name": "m" * 80, "source": "m"},)
    tests = ({"name": "t" * 80, "prompt": "p", "max_tokens": 5},)
    plan = make_plan(config(models=models, tests=tests, runtimes=runtimes, baseline="a" * 80))
    assert max(len(trial.file.encode()) for trial in plan) <= 255
    assert len({trial.file for trial in plan}) == len(plan)


def test_an_estimate_takes_the_typical_cell_for_one_never_seen() -> None:
    plan = make_plan(config(rounds={"count": 1, "warmup": 0}))
    assert estimate_s(plan, {}) is None
    assert estimate_s(plan, {("m", "t", "one"): 2.0}) == 2.0 * len(plan)
    assert set(cells_of(plan).values()) == {1}
