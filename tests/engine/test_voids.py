"""Which trials count where turns are void."""

from collections.abc import Sequence

from builders import trial

from parity.judging.voids import settled
from parity.records import Failure, Trial

BUSY = "other programs used 1.60 of 2 CPUs while it ran (limit 0.50)"


def turn(round: int, attempt: int = 1, **fields: object) -> list[Trial]:
    """Both sides of a round; `fields` are of the second."""
    return [
        trial("base", round, {"gen_tps": 10.0}, attempt=attempt),
        trial("other", round, {"gen_tps": 10.0}, attempt=attempt, **fields),
    ]


def places(trials: Sequence[Trial]) -> list[tuple[str, int, int]]:
    return [(t.runtime, t.round, t.attempt) for t in trials]


def test_of_a_turn_that_was_run_again_the_later_attempt_counts_on_both_sides() -> None:
    counting, void = settled([*turn(1), *turn(2, void=BUSY), *turn(2, attempt=2)])
    assert places(counting) == [("base", 1, 1), ("other", 1, 1), ("base", 2, 2), ("other", 2, 2)]
    assert places(void) == [("base", 2, 1), ("other", 2, 1)]


def test_few_turns_that_stay_void_are_left_out_whole() -> None:
    counting, void = settled([*turn(1), *turn(2), *turn(3), *turn(4, void=BUSY)])
    assert {t.round for t in counting} == {1, 2, 3}
    assert places(void) == [("base", 4, 1), ("other", 4, 1)]


def test_where_many_turns_stay_void_all_of_them_count_so_that_gates_see_it() -> None:
    trials = [*turn(1), *turn(2, void=BUSY), *turn(3, void=BUSY)]
    assert settled(trials) == (trials, [])


def test_a_crash_counts_also_if_its_turn_was_run_again() -> None:
    crash = Failure(kind="crash:SIGSEGV", message="it crashed")
    first = [
        trial("base", 1, {"gen_tps": 1.0}, void=BUSY),
        trial("other", 1, {}, failure=crash),
    ]
    counting, void = settled([*first, *turn(1, attempt=2)])
    assert ("other", 1, 1) in places(counting)
    assert places(void) == [("base", 1, 1)]


def test_a_deadline_missed_on_a_busy_machine_does_not_count_once_its_turn_was_run_again() -> None:
    late = Failure(kind="timeout:total", message="late")
    counting, _ = settled([*turn(1, failure=late, void=BUSY), *turn(1, attempt=2)])
    assert places(counting) == [("base", 1, 2), ("other", 1, 2)]


def test_voids_of_one_test_do_not_touch_a_different_one() -> None:
    elsewhere = trial("base", 1, {"gen_tps": 1.0}, test="u", void=BUSY)
    counting, void = settled([*turn(1), elsewhere])
    assert elsewhere in counting
    assert void == []
