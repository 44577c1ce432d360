"""What happened on the machine outside the process tree of each trial that a metric is from. Pure."""

from collections.abc import Sequence

from parity.explain.records import TrialConditions
from parity.reading.metrics.two_budgets import PROMPT, RATE
from parity.records import Trial


def conditions_of(
    trials: Sequence[Trial], void: Sequence[Trial], definition: str | None
) -> tuple[TrialConditions, ...]:
    """The conditions of measured trials, by round, and of those that were void and don't count; empty where none were
    recorded."""
    kinds = ("full", "short") if definition in (RATE, PROMPT) else ("full",)
    measured = [t for t in (*trials, *void) if not t.warmup and t.kind in kinds]
    if all(trial.conditions is None and trial.void is None for trial in measured):
        return ()
    measured.sort(key=lambda trial: (trial.round, trial.attempt))
    return tuple(_of_trial(trial, counts=trial in trials) for trial in measured)


def _of_trial(trial: Trial, *, counts: bool) -> TrialConditions:
    known = trial.conditions
    return TrialConditions(
        round=trial.round,
        runtime=trial.runtime,
        kind=trial.kind,
        file=trial.file,
        attempt=trial.attempt,
        counts=counts,
        void=trial.void,
        others_cpu=known.others_cpu if known else None,
        cpu_pressure=known.cpu_pressure if known else None,
        throttled_s=known.throttled_s if known else None,
        swapped_bytes=known.swapped_bytes if known else None,
        page_cache=known.page_cache.resident if known and known.page_cache else None,
    )
