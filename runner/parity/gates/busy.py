"""A machine that stays busy decides no gate on a speed: its sentence says so, instead of charging it to a runtime."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from math import comb

from parity.reading.dictionary import METRICS
from parity.records import Cell, Trial

SPEED_UNITS = ("s", "token/s", "cores")

UNEVEN = 0.05
"""Void trials of two sides are uneven where a fair coin would give numbers so far apart less often than this."""


def busy_machine(metric: str | None, trials: Sequence[Trial]) -> str | None:
    """Why `trials` decide no gate on a metric: some are void, even after their turns were run again. None if they may.

    `metric` None: how trials ended, which a deadline missed on a busy machine doesn't decide either."""
    if metric is not None and METRICS[metric].unit not in SPEED_UNITS:
        return None
    void = [trial for trial in trials if trial.void is not None and (metric is not None or trial.failure is not None)]
    if not void:
        return None
    rounds = {trial.round for trial in trials if not trial.warmup and trial.kind != "whole"}
    busy = {trial.round for trial in void}
    worst = max(void, key=_others)
    said = f"the machine was busy in {len(busy)} of {len(rounds)} rounds (in the worst, {worst.void})"
    return f"{said}: measure on a quieter machine"


def uneven_voids(cells: Sequence[Cell], void: Sequence[Trial]) -> str | None:
    """Why what is left of two sides may be a selection: one was disturbed more often than the other, beyond chance by
    the exact two-sided sign test. None where that is not so."""
    counts = Counter((t.model, t.test, t.runtime) for t in void if t.void is not None)
    for one, other in combinations(cells, 2):
        few, many = sorted((counts[one], counts[other]))
        at_least_so_uneven = 2 * sum(comb(few + many, k) for k in range(few + 1)) / 2 ** (few + many)
        if at_least_so_uneven < UNEVEN:
            return (
                f"the machine disturbed {counts[one]} trials of {one[2]} and {counts[other]} of {other[2]}, so that "
                "what is left may be a selection: measure on a quieter machine"
            )
    return None


def _others(trial: Trial) -> float:
    return (trial.conditions.others_cpu if trial.conditions else None) or 0.0
