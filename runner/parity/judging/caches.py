"""Trials whose prompt a cache answered that outlives the process: the first one was much slower in reading it. Pure.

No trial shows it alone. A first trial that was slow because its files were not in memory yet was slow in loading too,
and one that the machine held up is not slower than all of the others by so much.
"""

from collections.abc import Sequence

from parity.records import Cell, Departure, Trial
from parity.units import format_value

SLOWER = 5.0
"""How many times longer the first trial took for its prompt than every later one."""

SLOWER_LOAD = 2.0
"""How many times longer its load may have taken."""

LEAST_S = 0.02
"""A difference below this is within what a scheduler does."""

OF_THE_PROMPT = ("prompt_tps", "ttft_s", "total_s")


def with_prompt_caches(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """The trials; those of a cell whose later trials found their prompt in a cache depart from what was asked."""
    cells: dict[Cell, list[Trial]] = {}
    for trial in trials:
        if trial.kind == "full" and trial.failure is None and _value(trial, "ttft_s") is not None:
            cells.setdefault(_cell(trial), []).append(trial)
    found = {cell: departure for cell, mine in cells.items() if (departure := _cached(mine)) is not None}
    return tuple(_with(trial, found[_cell(trial)]) if _cell(trial) in found else trial for trial in trials)


def _cached(trials: Sequence[Trial]) -> Departure | None:
    first, *later = trials
    if len(later) < 2:
        return None
    slow, fast = _seconds("ttft_s", [first]), _seconds("ttft_s", later)
    if slow < SLOWER * fast or slow - fast < LEAST_S:
        return None
    loads = _seconds("load_s", later)
    if loads > 0 and _seconds("load_s", [first]) > SLOWER_LOAD * loads:
        return None
    sentence = (
        f"its first trial took {format_value(slow, 's')} for the prompt, and every later one at most "
        f"{format_value(fast, 's')}: a cache that outlives the process may hold the prompt; switch it off, or clear it "
        "before each trial"
    )
    return Departure(fact="prefix_cache", sentence=sentence, metrics=OF_THE_PROMPT)


def _with(trial: Trial, departure: Departure) -> Trial:
    if trial.failure is not None or trial.kind == "whole":
        return trial
    warnings = trial.warnings if trial.warmup else (*trial.warnings, departure.sentence)
    return trial.but(departures=(*trial.departures, departure), warnings=warnings)


def _seconds(metric: str, trials: Sequence[Trial]) -> float:
    """The longest of several trials; 0 where none shows it."""
    return max((value for trial in trials if (value := _value(trial, metric)) is not None), default=0.0)


def _value(trial: Trial, metric: str) -> float | None:
    return next((m.value for m in trial.measurements if m.metric == metric and m.value is not None), None)


def _cell(trial: Trial) -> Cell:
    return trial.model, trial.test, trial.runtime
