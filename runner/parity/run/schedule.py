"""What a run does next, as a pure function of its config and of the trials that ran. Rounds are fixed."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from parity.config import Config, TestConfig
from parity.records import Cell, Slot, Trial, TrialKind

Turn = tuple[Slot, ...]
"""Trials that belong together: all runtimes of one model and test in one round."""


def next_turn(
    config: Config, trials: Sequence[Trial], *, unset: Sequence[str] = (), given_up: Mapping[Cell, object] | None = None
) -> Turn | None:
    """The slots to fill next, or None when nothing is left to do.

    A slot whose trial was interrupted comes again under the next attempt. `unset` are optional runtimes that are not
    set here, `given_up` the cells that are not tried any more."""
    due = next(_turns_left(config, trials, unset, given_up or {}), None)
    if due is None:
        return None
    attempts: Counter[tuple[object, ...]] = Counter()
    for trial in trials:
        attempts[trial.place] = max(attempts[trial.place], trial.attempt)
    return tuple(slot.but(attempt=attempts[slot.place] + 1) for slot in due)


def schedule(config: Config, unset: Sequence[str] = ()) -> Iterator[Turn]:
    """Every turn of a run: warm-up rounds first, then the measured ones.

    A round takes each model × test once, and in each all runtimes in an order drawn anew from the seed, so that a
    drift of the machine falls on all sides alike; a test with two budgets has both in the same turn. Whole trials come
    last: nothing is measured beside what they may leave hanging."""
    draw = random.Random(config.rounds.seed)
    runtimes = [name for name in config.runtimes if name not in unset]
    for number, warmup in _rounds(config):
        for model, test in _pairs(config):
            turn = []
            for runtime in draw.sample(runtimes, len(runtimes)):
                kinds: list[TrialKind] = ["full"] if test.short_tokens is None else ["full", "short"]
                draw.shuffle(kinds)
                turn += [_slot(model, test, runtime, number, kind, warmup=warmup) for kind in kinds]
            yield tuple(turn)
    for model, test in _pairs(config):
        for runtime in runtimes:
            count = config.runtimes[runtime].whole_trials
            if count:
                yield tuple(_slot(model, test, runtime, k, "whole") for k in range(1, count + 1))


def planned(config: Config, unset: Sequence[str] = ()) -> dict[Cell, int]:
    """Cell → how many trials the schedule holds for it, warm-up included; in the order of the config."""
    counts = Counter(slot.cell for turn in schedule(config, unset) for slot in turn)
    runtimes = [name for name in config.runtimes if name not in unset]
    cells = [(model, test.name, runtime) for model, test in _pairs(config) for runtime in runtimes]
    return {cell: counts[cell] for cell in cells}


def slots_left(
    config: Config, trials: Sequence[Trial], *, unset: Sequence[str] = (), given_up: Mapping[Cell, object]
) -> list[Slot]:
    """Every slot that is still to be filled, in order."""
    return [slot for turn in _turns_left(config, trials, unset, given_up) for slot in turn]


def estimate_s(slots: Sequence[Slot], mean_s: Mapping[Cell, float]) -> float | None:
    """How long trials will take, from mean seconds per cell; None while nothing is known of any of them."""
    if not mean_s:
        return None
    typical = sum(mean_s.values()) / len(mean_s)
    return sum(mean_s.get(slot.cell, typical) for slot in slots)


def interrupted(trial: Trial) -> bool:
    """Whether parity ended before the trial did, so that it says nothing."""
    return trial.failure is not None and trial.failure.kind == "interrupted"


def _turns_left(
    config: Config, trials: Sequence[Trial], unset: Sequence[str], given_up: Mapping[Cell, object]
) -> Iterator[Turn]:
    """Each turn with the slots of it that are still to be filled; turns without any are left out."""
    finished = {trial.place for trial in trials if not interrupted(trial)}
    for turn in schedule(config, unset):
        due = tuple(slot for slot in turn if slot.place not in finished and slot.cell not in given_up)
        if due:
            yield due


def _slot(model: str, test: TestConfig, runtime: str, number: int, kind: TrialKind, *, warmup: bool = False) -> Slot:
    return Slot(model=model, test=test.name, runtime=runtime, round=number, warmup=warmup, kind=kind)


def _rounds(config: Config) -> Iterator[tuple[int, bool]]:
    yield from ((k, True) for k in range(1, config.rounds.warmup + 1))
    yield from ((k, False) for k in range(1, config.rounds.count + 1))


def _pairs(config: Config) -> Iterator[tuple[str, TestConfig]]:
    for model in config.models:
        for test in config.tests:
            if test.models is None or model.name in test.models:
                yield model.name, test
