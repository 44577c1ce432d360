"""What happened on the machine outside the process tree of each trial that a metric is from. Pure."""

from collections.abc import Sequence

from parity.explain.records import TrialConditions
from parity.reading.metrics.two_budgets import PROMPT, RATE
from parity.records import Trial
from parity.report.index import CellResults


def conditions_of(found: CellResults, base: CellResults | None, definition: str | None) -> tuple[TrialConditions, ...]:
    """The conditions of the measured trials of both sides, by round; empty where none were recorded."""
    sides = [found, *([base] if base is not None else [])]
    kinds = ("full", "short") if definition in (RATE, PROMPT) else ("full",)
    trials = [t for side in sides for t in side.trials if not t.warmup and t.kind in kinds]
    if all(trial.conditions is None and trial.void is None for trial in trials):
        return ()
    return tuple(_of_trial(trial) for trial in _by_round(trials))


def _by_round(trials: Sequence[Trial]) -> list[Trial]:
    return sorted(trials, key=lambda trial: (trial.round, trial.attempt))


def _of_trial(trial: Trial) -> TrialConditions:
    known = trial.conditions
    return TrialConditions(
        round=trial.round,
        runtime=trial.runtime,
        kind=trial.kind,
        file=trial.file,
        void=trial.void,
        others_cpu=known.others_cpu if known else None,
        cpu_pressure=known.cpu_pressure if known else None,
        throttled_s=known.throttled_s if known else None,
        swapped_bytes=known.swapped_bytes if known else None,
        page_cache=known.page_cache.resident if known and known.page_cache else None,
    )
