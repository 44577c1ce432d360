"""What was odd about trials that gave a result, each thing once, with the rounds in which it happened. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from parity.config import Config
from parity.judging.rounds import rounds_of
from parity.records import Trial, TrialKind


def budgets_of(config: Config) -> dict[tuple[str, TrialKind], int]:
    """(test, kind of trial) → the token budget of the trial. Untimed trials have none."""
    budgets: dict[tuple[str, TrialKind], int] = {}
    for test in config.tests:
        budgets[test.name, "full"] = budgets[test.name, "floor"] = test.max_tokens
        if test.short_tokens is not None:
            budgets[test.name, "short"] = budgets[test.name, "floor-short"] = test.short_tokens
    return budgets


def trial_warnings(
    config: Config, trials: Sequence[Trial], budgets: Mapping[tuple[str, TrialKind], int]
) -> Iterator[str]:
    """Warnings of a run, each with its runtime, test and rounds."""
    noted: dict[tuple[str, str, str, str], list[Trial]] = {}
    for trial in trials:
        for warning in _of_trial(trial, budgets):
            noted.setdefault((*trial.cell, warning), []).append(trial)
    for (model, test, runtime, warning), odd in noted.items():
        models = (model,) if len(config.models) > 1 else ()
        where = " · ".join((config.runtime_title(runtime), *models, test))
        yield f"{where}, {rounds_of(odd)}: {warning}"


def _of_trial(trial: Trial, budgets: Mapping[tuple[str, TrialKind], int]) -> Iterator[str]:
    yield from trial.warnings
    if trial.identity is not None and trial.identity.ended_early and trial.kind != "whole":
        yield f"sampled {trial.identity.generated_tokens} of {budgets[trial.test, trial.kind]} tokens"
