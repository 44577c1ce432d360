"""From a config to the trials that a run will make, in their order. Pure."""

import random
from collections.abc import Iterator, Mapping, Sequence

from parity.compare import Cell
from parity.config import Config
from parity.records import Record


class PlannedTrial(Record):
    """One trial to make. `number` is its place in the run, from 1."""

    number: int
    model: str
    test: str
    runtime: str
    round: int
    warmup: bool

    @property
    def cell(self) -> Cell:
        return self.model, self.test, self.runtime

    @property
    def file(self) -> str:
        """Name of its transcript within the run folder's `trials/`."""
        turn = f"w{self.round}" if self.warmup else f"r{self.round}"
        return f"{self.number:04d}-{self.model}-{self.test}-{self.runtime}-{turn}.jsonl"


def make_plan(config: Config, unset: Sequence[str] = ()) -> tuple[PlannedTrial, ...]:
    """Every trial of a run: warm-up rounds first, then the measured ones.

    A round takes each model × test once, and in each all runtimes in an order drawn anew from the seed, so that a
    drift of the machine falls on all sides alike."""
    draw = random.Random(config.rounds.seed)
    trials: list[PlannedTrial] = []
    for number, warmup in _rounds(config):
        for model, test in _pairs(config):
            runtimes = [name for name in config.runtimes if name not in unset]
            draw.shuffle(runtimes)
            for runtime in runtimes:
                trials.append(
                    PlannedTrial(
                        number=len(trials) + 1,
                        model=model,
                        test=test,
                        runtime=runtime,
                        round=number,
                        warmup=warmup,
                    )
                )
    return tuple(trials)


def cells_of(plan: Sequence[PlannedTrial]) -> dict[Cell, int]:
    """Cell → how many trials the plan holds for it; by model, test and runtime in the order of first appearance."""
    counts: dict[Cell, int] = {}
    for trial in plan:
        counts[trial.cell] = counts.get(trial.cell, 0) + 1
    return counts


def estimate_s(plan: Sequence[PlannedTrial], seen: Mapping[Cell, float]) -> float | None:
    """How long trials will take, from mean seconds per cell; None while nothing is known of any of them."""
    if not seen:
        return None
    typical = sum(seen.values()) / len(seen)
    return sum(seen.get(trial.cell, typical) for trial in plan)


def _rounds(config: Config) -> Iterator[tuple[int, bool]]:
    yield from ((k, True) for k in range(1, config.rounds.warmup + 1))
    yield from ((k, False) for k in range(1, config.rounds.count + 1))


def _pairs(config: Config) -> Iterator[tuple[str, str]]:
    for model in config.models:
        for test in config.tests:
            if test.models is None or model.name in test.models:
                yield model.name, test.name
