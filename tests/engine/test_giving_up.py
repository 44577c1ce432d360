"""When a run stops trying: a pure function of its config, of the trials that ran and of the runtimes that are there."""

from collections.abc import Sequence

import pytest

from parity.config import Config
from parity.records import Failure, NotRun, Slot, Trial
from parity.run.due import Due
from parity.run.giving_up import Absent, GivenUp, given_up, not_run
from parity.run.schedule import schedule

HANGS = {"name": "hangs", "kind": "no-failed-trials"}
SPEED = {"name": "speed", "kind": "ratio", "metric": "gen_tps", "min_ratio": 0.8}
LOST = "the baseline one is lost on t, and there is nothing to compare with"


def config(**changes: object) -> Config:
    """Two runtimes, one model, one test, one warm-up and three rounds."""
    whole = {
        "name": "c",
        "baseline": "one",
        "models": ({"name": "m", "source": "m"},),
        "tests": ({"name": "t", "prompt": "p", "max_tokens": 5},),
        "runtimes": {name: {"adapter": "command"} for name in ("one", "two")},
        "rounds": {"count": 3, "warmup": 1},
        "gates": (HANGS,),
        **changes,
    }
    return Config.model_validate(whole)


def trial(runtime: str = "two", round: int = 1, failure: str | None = "crash", **fields: object) -> Trial:
    failed = Failure(kind=failure, message="") if failure else None
    known = {"file": "f", "model": "m", "test": "t", "runtime": runtime, "round": round, "warmup": False}
    return Trial.model_validate({**known, "failure": failed, **fields})


def failed_twice(runtime: str = "two", **fields: object) -> list[Trial]:
    """A warm-up and the first measured trial that failed in the same way."""
    return [trial(runtime, warmup=True, **fields), trial(runtime, **fields)]


def cells(config: Config, trials: Sequence[Trial], **absent: Absent) -> set[tuple[str, str, str]]:
    return set(given_up(config, trials, absent))


# a cell that fails each time


def test_a_cell_is_given_up_when_its_warm_up_and_first_measured_trial_failed_in_the_same_way() -> None:
    found = given_up(config(), failed_twice(), {})
    reason = "its warm-up and first measured trial failed in the same way (crash), so it was not tried again"
    assert found["m", "t", "two"] == GivenUp("given up", reason)


@pytest.mark.parametrize(
    "trials",
    [
        [trial(warmup=True)],
        [trial()],
        [trial(warmup=True), trial(failure="exit:1")],
        [trial(warmup=True), trial(failure=None)],
        [trial(warmup=True, failure=None), trial()],
        [trial(warmup=True, failure=None), trial(failure=None)],
        [trial(warmup=True), trial(warmup=True, round=2)],
        [trial(warmup=True), trial(warmup=True, kind="short")],
        [trial(), trial(attempt=2)],
        [trial(kind="whole"), trial(kind="whole", round=2)],
        [trial(warmup=True), trial(kind="whole")],
        [trial(warmup=True), trial(failure="interrupted")],
        [trial(failure="interrupted", warmup=True), trial(failure="interrupted")],
    ],
    ids=[
        "only the warm-up failed",
        "only one measured trial failed",
        "failures of two kinds",
        "the measured trial is good",
        "the warm-up is good",
        "both are good",
        "two warm-ups failed",
        "both budgets of the warm-up failed",
        "one trial failed in both of its attempts",
        "whole trials failed",
        "a warm-up and a whole trial failed",
        "the measured trial was interrupted",
        "both were interrupted",
    ],
)
def test_a_cell_goes_on_when(trials: list[Trial]) -> None:
    assert given_up(config(), trials, {}) == {}


def test_an_interrupted_attempt_between_two_failures_changes_nothing() -> None:
    warm_up, measured = failed_twice()
    assert ("m", "t", "two") in given_up(config(), [warm_up, trial(failure="interrupted"), measured], {})


def test_without_warm_up_the_first_two_trials_count() -> None:
    cold = config(rounds={"count": 3, "warmup": 0})
    assert given_up(cold, [trial(round=1)], {}) == {}
    found = given_up(cold, [trial(round=1), trial(round=2)], {})
    assert found["m", "t", "two"].reason.startswith("its first trials failed in the same way (crash)")


def test_without_warm_up_both_budgets_of_the_first_round_count() -> None:
    tests = ({"name": "t", "prompt": "p", "max_tokens": 50, "short_tokens": 10},)
    cold = config(rounds={"count": 3, "warmup": 0}, tests=tests)
    assert ("m", "t", "two") in given_up(cold, [trial(kind="full"), trial(kind="short")], {})


def test_a_cell_that_is_given_up_gets_no_whole_trials_either() -> None:
    runtimes = {"one": {"adapter": "command"}, "two": {"adapter": "command", "whole_trials": 2}}
    whole = config(runtimes=runtimes)
    lost = given_up(whole, failed_twice(), {})
    assert {slot.runtime for slot in Due(whole, failed_twice(), given_up=lost).slots} <= {"one"}
    [left] = [entry for entry in not_run(whole, failed_twice(), lost) if entry.runtime == "two"]
    assert (left.planned, left.ran) == (1 + 3 + 2, 2)


# which cells a loss concerns


def test_only_the_test_that_fails_is_given_up() -> None:
    tests = tuple({"name": name, "prompt": "p", "max_tokens": 5} for name in ("t", "u"))
    assert cells(config(tests=tests), failed_twice()) == {("m", "t", "two")}


def test_a_lost_baseline_ends_all_cells_of_that_model_and_test_and_no_others() -> None:
    models = ({"name": "m", "source": "m"}, {"name": "n", "source": "n"})
    tests = tuple({"name": name, "prompt": "p", "max_tokens": 5} for name in ("t", "u"))
    found = given_up(config(models=models, tests=tests, gates=(HANGS, SPEED)), failed_twice("one"), {})
    assert set(found) == {("m", "t", "one"), ("m", "t", "two")}
    assert found["m", "t", "two"].reason == LOST


def test_a_cell_that_fails_by_itself_keeps_its_own_reason_beside_a_lost_baseline() -> None:
    found = given_up(config(), [*failed_twice("one"), *failed_twice("two", failure="exit:1")], {})
    assert "(exit:1)" in found["m", "t", "two"].reason


def test_an_absent_runtime_is_given_up_with_its_reason_and_remedy() -> None:
    found = given_up(config(gates=()), (), {"two": Absent("build", "cargo failed", "rustup update")})
    assert found == {("m", "t", "two"): GivenUp("build", "cargo failed", "rustup update")}


def test_that_a_runtime_is_absent_comes_before_its_failed_trials() -> None:
    found = given_up(config(), failed_twice(), {"two": Absent("unavailable", "it is gone")})
    assert found["m", "t", "two"].kind == "unavailable"


def test_an_absent_baseline_leaves_nothing_to_run() -> None:
    gone = {"one": Absent("unavailable", "it is gone")}
    compared = config(gates=(HANGS, SPEED))
    lost = given_up(compared, (), gone)
    assert Due(compared, (), given_up=lost).slots == []
    assert (lost["m", "t", "one"].kind, lost["m", "t", "two"].reason) == ("unavailable", LOST)


def test_what_no_gate_compares_is_still_judged_without_the_baseline() -> None:
    found = given_up(config(gates=(HANGS,)), (), {"one": Absent("unavailable", "it is gone")})
    assert set(found) == {("m", "t", "one")}


def test_a_runtime_that_is_not_set_is_no_cell() -> None:
    three = config(gates=(SPEED,), runtimes={name: {"adapter": "command"} for name in ("one", "two", "three")})
    found = given_up(three, (), {"one": Absent("unavailable", "gone")}, unset=["three"])
    assert {runtime for _, _, runtime in found} == {"one", "two"}


# gates that no trial can decide


def test_a_run_ends_when_no_required_gate_can_be_decided_by_more_trials() -> None:
    found = given_up(config(), failed_twice("two"), {})
    assert found["m", "t", "one"].reason == "no required gate can be decided by more trials"


def test_a_run_goes_on_while_one_required_gate_has_a_cell_left() -> None:
    three = config(runtimes={name: {"adapter": "command"} for name in ("one", "two", "three")})
    assert cells(three, failed_twice("two")) == {("m", "t", "two")}


@pytest.mark.parametrize("gates", [(), ({**HANGS, "required": False},)], ids=["no gates", "optional gates"])
def test_without_required_gates_what_can_run_goes_on(gates: tuple[dict[str, object], ...]) -> None:
    assert cells(config(gates=gates), failed_twice("two")) == {("m", "t", "two")}


def test_an_optional_gate_keeps_no_run_going() -> None:
    three = config(
        runtimes={name: {"adapter": "command"} for name in ("one", "two", "three")},
        gates=(
            {**HANGS, "runtimes": ("two",)},
            {**HANGS, "name": "other", "runtimes": ("three",), "required": False},
        ),
    )
    assert ("m", "t", "three") in cells(three, failed_twice("two"))


def test_a_gate_of_one_test_keeps_only_that_test_in_view() -> None:
    tests = tuple({"name": name, "prompt": "p", "max_tokens": 5} for name in ("t", "u"))
    named = config(tests=tests, gates=({**HANGS, "tests": ("t",)},))
    assert cells(named, failed_twice("two")) == {("m", test, runtime) for test in "tu" for runtime in ("one", "two")}


# what is reported of it


def ran(slots: Sequence[Slot]) -> list[Trial]:
    return [Trial(file="f", **slot.model_dump(exclude={"host"})) for slot in slots]


def all_slots(config: Config) -> list[Slot]:
    return [slot for turn in schedule(config) for slot in turn]


def test_a_complete_run_leaves_nothing_not_run() -> None:
    assert list(not_run(config(), ran(all_slots(config())), {})) == []


def test_cells_that_nobody_gave_up_were_cut_off_with_the_run() -> None:
    trials = ran(all_slots(config())[:3])
    left = list(not_run(config(), trials, {}))
    assert [(entry.runtime, entry.planned, entry.kind, entry.reason) for entry in left] == [
        (name, 4, "interrupted", "the run was interrupted") for name in ("one", "two")
    ]
    assert sum(entry.ran for entry in left) == 3


def test_an_interrupted_trial_did_not_run() -> None:
    trials = ran(all_slots(config()))
    cut = trials[-1].but(failure=Failure(kind="interrupted", message=""))
    [left] = not_run(config(), [*trials[:-1], cut], {})
    assert (left.runtime, left.planned, left.ran) == (cut.runtime, 4, 3)


def test_what_was_given_up_is_reported_with_its_reason_and_remedy() -> None:
    lost = given_up(config(gates=()), (), {"two": Absent("unavailable", "it is gone", "install it")})
    trials = [one for one in ran(all_slots(config())) if one.runtime == "one"]
    assert list(not_run(config(), trials, lost)) == [
        NotRun(
            model="m",
            test="t",
            runtime="two",
            kind="unavailable",
            planned=4,
            ran=0,
            reason="it is gone",
            remedy="install it",
        )
    ]
