"""The order of a run: every turn that it may have, as a pure function of its config."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import lru_cache
from itertools import islice
from typing import Final

from parity.config import Config, TestConfig
from parity.judging.scored import has_truth, is_scored
from parity.records import OWN, SHARED, Cell, Slot, Task, TrialKind
from parity.run.order import orders
from parity.run.sequences import NONE, texts_of

Turn = tuple[Slot, ...]
"""Trials that belong together: all runtimes of one model and test in one round."""

Arms = Mapping[str, Sequence[str]]
"""Model → the runtimes whose twins are its exact arm; a model that is left out has none."""

NO_ARMS: Arms = {}

MOST_KEPT: Final = 4096
"""Of a model and test, the turns are kept, for the schedule is walked before every turn."""


def schedule(
    config: Config,
    unset: Sequence[str] = (),
    scorers: Set[str] = NONE,
    arms: Arms = NO_ARMS,
    own_scorers: Set[str] = NONE,
) -> Iterator[Turn]:
    """Every turn that a run may have: warm-up rounds first, then the measured ones, up to the most that there may be.

    A round takes each model × test once, and in each all runtimes in the order of the round; a test with two budgets
    has both in the same turn. Then, where a gate reads that, each of the `scorers` scores one answer, its own where
    that is different, and the texts of runtimes that show no ids; each of the `own_scorers` scores its own answer
    alone. Where one asks for the truth, the exact arm scores the one answer too. Whole trials come last: nothing is
    measured beside what they may leave hanging."""
    runtimes = tuple(name for name in config.runtimes if name not in unset)
    pairs = list(pairs_of(config))
    seed, rounds = config.rounds.seed, config.rounds
    floor = config.baseline if config.floor else None
    for warmup, count in ((True, rounds.warmup), (False, rounds.looks.last)):
        turns = [
            _turns(seed, model, test.name, runtimes, floor, test.short_tokens is not None, warmup, count)
            for model, test in pairs
        ]
        for number in range(count):
            yield from (of_pair[number] for of_pair in turns)
    for model, test in pairs:
        able = [name for name in runtimes if name in scorers] if is_scored(config, test, unset) else []
        texts = texts_of(config, test, scorers, unset)
        for number in (SHARED, OWN, *texts) if able else ():
            of_own = [name for name in runtimes if name in own_scorers] if number == OWN else []
            yield tuple(_slot(model, test.name, name, number, "full", task="score") for name in (*able, *of_own))
        arm = arms.get(model, ()) if has_truth(config, test, unset) else ()
        if arm:
            yield tuple(_slot(model, test.name, name, SHARED, "exact", task="score") for name in arm)
    for model, test in pairs:
        for runtime in runtimes:
            whole = config.runtimes[runtime].whole_trials
            if whole:
                yield tuple(_slot(model, test.name, runtime, k, "whole") for k in range(1, whole + 1))


def planned(config: Config, unset: Sequence[str] = ()) -> dict[Cell, int]:
    """Cell → how many trials that generate the schedule holds for it at most, warm-up included; in the order of the
    config."""
    counts = Counter(slot.cell for turn in schedule(config, unset) for slot in turn)
    runtimes = [name for name in config.runtimes if name not in unset]
    cells = [(model, test.name, runtime) for model, test in pairs_of(config) for runtime in runtimes]
    return {cell: counts[cell] for cell in cells}


def estimate_s(slots: Sequence[Slot], mean_s: Mapping[Cell, float]) -> float | None:
    """How long trials will take, from mean seconds per cell; None while nothing is known of any of them."""
    if not mean_s:
        return None
    typical = sum(mean_s.values()) / len(mean_s)
    return sum(mean_s.get(slot.cell, typical) for slot in slots)


@lru_cache(maxsize=MOST_KEPT)
def _turns(
    seed: int,
    model: str,
    test: str,
    runtimes: tuple[str, ...],
    floor: str | None,
    two_budgets: bool,
    warmup: bool,
    count: int,
) -> tuple[Turn, ...]:
    """The turns of a model and test. Of a runtime with two budgets, both come one after the other; their order is
    reversed with that of the runtimes. `floor`: the runtime that has a second place in each round."""
    draw = random.Random(f"{seed} {model} {test} {warmup}")
    kinds: tuple[TrialKind, ...] = ("full", "short") if two_budgets else ("full",)
    again: tuple[TrialKind, ...] = ("floor", "floor-short") if two_budgets else ("floor",)
    places = [(name, kinds) for name in runtimes] + ([(floor, again)] if floor is not None else [])
    kind_orders: dict[tuple[str, tuple[TrialKind, ...]], tuple[TrialKind, ...]] = {}
    turns = []
    for number, order in enumerate(islice(orders(places, draw), count), start=1):
        if number % 2:
            kind_orders = {place: tuple(draw.sample(place[1], len(place[1]))) for place in order}
        else:
            kind_orders = {place: found[::-1] for place, found in kind_orders.items()}
        slots = [(place[0], kind) for place in order for kind in kind_orders[place]]
        turns.append(tuple(_slot(model, test, name, number, kind, warmup=warmup) for name, kind in slots))
    return tuple(turns)


def _slot(
    model: str,
    test: str,
    runtime: str,
    number: int,
    kind: TrialKind,
    *,
    warmup: bool = False,
    task: Task = "generate",
) -> Slot:
    return Slot(model=model, test=test, runtime=runtime, task=task, round=number, warmup=warmup, kind=kind)


def pairs_of(config: Config) -> Iterator[tuple[str, TestConfig]]:
    """Each model with each test that runs on it, in the order of the config."""
    for model in config.models:
        for test in config.tests:
            if test.models is None or model.name in test.models:
                yield model.name, test
