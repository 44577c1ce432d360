"""A machine that stays busy decides no gate on a speed: its sentence says so, instead of charging it to a runtime."""

from collections.abc import Sequence

from parity.reading.dictionary import METRICS
from parity.records import Trial

SPEED_UNITS = ("s", "token/s", "cores")


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
    return f"the machine was busy in {len(busy)} of {len(rounds)} rounds (in the worst, {worst.void})"


def _others(trial: Trial) -> float:
    return (trial.conditions.others_cpu if trial.conditions else None) or 0.0
