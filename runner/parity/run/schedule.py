"""From a config to the trials that a run will make, in their order. Pure."""

import random
from collections.abc import Iterator, Mapping, Sequence

from parity.config import Config, TestConfig
from parity.records import Cell, Record, TrialKind

LONGEST_NAME = 60
"""Of a part of a file's name: systems allow 255 bytes in all, and the number alone tells trials apart."""


class PlannedTrial(Record):
    """One trial to make. `number` is its place in the run, from 1."""

    number: int
    model: str
    test: str
    runtime: str
    round: int
    warmup: bool
    kind: TrialKind = "full"

    @property
    def cell(self) -> Cell:
        return self.model, self.test, self.runtime

    @property
    def file(self) -> str:
        """Name of its transcript within the run folder's `trials/`."""
        turn = f"w{self.round}" if self.warmup else f"r{self.round}"
        suffix = "" if self.kind == "full" else f"-{self.kind}"
        names = "-".join(name[:LONGEST_NAME] for name in self.cell)
        return f"{self.number:04d}-{names}-{turn}{suffix}.jsonl"


def make_plan(config: Config, unset: Sequence[str] = ()) -> tuple[PlannedTrial, ...]:
    """Every trial of a run: warm-up rounds first, then the measured ones.

    A round takes each model × test once, and in each all runtimes in an order drawn anew from the seed, so that a
    drift of the machine falls on all sides alike; a test with two budgets has both in the same turn. Whole trials come
    last: nothing is measured beside what they may leave hanging."""
    draw = random.Random(config.rounds.seed)
    runtimes = [name for name in config.runtimes if name not in unset]
    turns: list[tuple[str, str, str, int, bool, TrialKind]] = []
    for number, warmup in _rounds(config):
        for model, test in _pairs(config):
            for runtime in draw.sample(runtimes, len(runtimes)):
                kinds: list[TrialKind] = ["full"] if test.short_tokens is None else ["full", "short"]
                draw.shuffle(kinds)
                turns += [(model, test.name, runtime, number, warmup, kind) for kind in kinds]
    for model, test in _pairs(config):
        for runtime in runtimes:
            count = config.runtimes[runtime].whole_trials
            turns += [(model, test.name, runtime, k, False, "whole") for k in range(1, count + 1)]
    return tuple(
        PlannedTrial(number=n, model=model, test=test, runtime=runtime, round=turn, warmup=warmup, kind=kind)
        for n, (model, test, runtime, turn, warmup, kind) in enumerate(turns, start=1)
    )


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


def _pairs(config: Config) -> Iterator[tuple[str, TestConfig]]:
    for model in config.models:
        for test in config.tests:
            if test.models is None or model.name in test.models:
                yield model.name, test
