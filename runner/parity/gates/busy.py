"""A machine that stays busy decides no gate on a speed: its sentence says so, instead of charging it to a runtime."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from math import comb

from parity.reading.dictionary import METRICS
from parity.records import Cell, Trial

SPEED_UNITS = ("s", "token/s", "cores")

UNEVEN = 0.07
"""Void rounds of two sides are uneven where a fair coin would give numbers so far apart less often than this: from 5
of one side and none of the other on."""


def busy_machine(metric: str | None, trials: Sequence[Trial]) -> str | None:
    """Why `trials` decide no gate on a metric: some are void, even after their turns were run again. None if they may.

    `metric` None: how trials ended, which a deadline missed on a busy machine doesn't decide either."""
    if metric is not None and METRICS[metric].unit not in SPEED_UNITS:
        return None
    void = [trial for trial in trials if trial.void is not None]
    void = [t for t in void if (t.is_measured if metric is not None else t.failure is not None)]
    if not void:
        return None
    worst = max(void, key=_others)
    rounds = {trial.round for trial in trials if trial.is_measured}
    busy = {trial.round for trial in void if trial.is_measured}
    if not busy:
        kind = "warm-up" if worst.warmup else "whole"
        return f"the machine was busy in a {kind} trial ({worst.void})"
    return f"the machine was busy in {len(busy)} of {len(rounds)} rounds (in the worst, {worst.void})"


def uneven_voids(judged: Sequence[Cell], others: Sequence[Cell], void: Sequence[Trial]) -> str | None:
    """Why what is left of a cell may be a selection: one that is judged was disturbed more often than a cell of the
    same turns, judged or not, beyond chance by the exact two-sided sign test. None where that is not so."""
    disturbed = {_pass(t): t.cell for t in void if t.void is not None and _is_own(t)}
    counts = Counter(disturbed.values())
    pairs = [*combinations(judged, 2), *((other, one) for one in judged for other in others if other not in judged)]
    for one, other in pairs:
        if other in judged and one not in judged and counts[one] >= counts[other]:
            continue
        few, many = sorted((counts[one], counts[other]))
        at_least_so_uneven = 2 * sum(comb(few + many, k) for k in range(few + 1)) / 2 ** (few + many)
        if at_least_so_uneven < UNEVEN:
            return (
                f"the machine disturbed {counts[one]} rounds of {one[2]} and {counts[other]} of {other[2]}, so that "
                "what is left may be a selection"
            )
    return None


def _is_own(trial: Trial) -> bool:
    """Whether it is a measured trial of a place that every runtime has in a round: the noise floor is the baseline's
    second one."""
    return not trial.warmup and trial.kind in ("full", "short")


def _pass(trial: Trial) -> tuple[object, ...]:
    """What the trials of a cell in one attempt at a round have in common."""
    return *trial.cell, trial.round, trial.attempt


def _others(trial: Trial) -> float:
    return (trial.conditions.others_cpu if trial.conditions else None) or 0.0
