"""Which trials count where turns are void because of what else the machine did. Pure.

A turn (all runtimes of one model and test in one round) is void as a whole if one of its trials is: its two sides were
not measured under the same conditions. It is run again, and the later attempt counts.
"""

from collections.abc import Sequence

from parity.records import Trial

MOST_VOID = 0.25
"""Share of the turns of a model and test that may stay void up to the cap and are then left out. Above it the machine
stays busy: all of them count, so that their figures are shown, and no gate on a speed is decided."""

Turn = tuple[str, str, int]


def settled(trials: Sequence[Trial]) -> tuple[list[Trial], list[Trial]]:
    """The trials that count, and those that were run again or left out, each in their order.

    A failure that is not void counts even if its turn was run again: a crash is a crash on any machine."""
    last = {trial.place: trial.attempt for trial in trials}
    left_out = _left_out([trial for trial in trials if trial.attempt == last[trial.place]])
    counting: list[Trial] = []
    void: list[Trial] = []
    for trial in trials:
        repeated = trial.attempt != last[trial.place] or (trial.is_measured and _turn(trial) in left_out)
        failed = trial.failure is not None and trial.void is None
        (void if repeated and not failed else counting).append(trial)
    return counting, void


def _left_out(trials: Sequence[Trial]) -> set[Turn]:
    """The turns that stayed void up to the cap, of each model and test where they are few."""
    turns: dict[tuple[str, str], dict[Turn, bool]] = {}
    for trial in trials:
        if trial.is_measured:
            of_test = turns.setdefault((trial.model, trial.test), {})
            of_test[_turn(trial)] = of_test.get(_turn(trial), False) or trial.void is not None
    few = (found for found in turns.values() if sum(found.values()) <= MOST_VOID * len(found))
    return {turn for found in few for turn, is_void in found.items() if is_void}


def _turn(trial: Trial) -> Turn:
    return trial.model, trial.test, trial.round
