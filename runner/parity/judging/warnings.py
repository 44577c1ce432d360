"""What was odd about trials that gave a result, each thing once, with the rounds in which it happened. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from parity.compare import Measured
from parity.compare.advice import TO_GENERATE_ALL, TO_KEEP_THE_BUDGET, TO_READ_BOTH, warm_up
from parity.config import Config
from parity.judging.rounds import rounds_of
from parity.reading.conditions import stepped_s
from parity.reading.dictionary import REPORTED
from parity.records import Cell, ModelFacts, Scalar, Trial, TrialKind, by_cell
from parity.room import in_bytes
from parity.stats import geometric_mean
from parity.units import format_value, plural

FAR_LONGER = 1.25
"""The first round as a multiple of the longest later one: scatter alone does not bring that about."""
ENOUGH_LATER = 3

RATE_METRIC = "gen_tps"
FAR_APART = 1.25
"""A runtime's own figure as a multiple of parity's; they may count the first token differently."""

MOST_NOTICES = 20
"""Kinds of lines that a report shows."""


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
        yield f"{where(config, (model, test, runtime))}, {rounds_of(odd)}: {warning}"


def first_round_warnings(config: Config, trials: Sequence[Trial]) -> Iterator[str]:
    """Cells whose first measured round took far longer than any later one: something in it is done once."""
    for cell, of_cell in by_cell(trials).items():
        rounds = {t.round: s for t in of_cell if _counts(t) and (s := _seconds(t)) is not None}
        later = [seconds for number, seconds in rounds.items() if number > 1]
        if 1 in rounds and len(later) >= ENOUGH_LATER and rounds[1] > FAR_LONGER * max(later):
            took = f"{format_value(rounds[1], 's')}, and no later one more than {format_value(max(later), 's')}"
            yield f"{where(config, cell)}: its first round took {took}; {warm_up(config.rounds.warmup)}"


def figure_warnings(config: Config, measured: Measured, cells: Iterable[Cell]) -> Iterator[str]:
    """Cells whose own figure of how fast they generate is far from what parity measured."""
    for cell in cells:
        known = [d for d in measured.definitions(cell, RATE_METRIC) if measured.values(cell, RATE_METRIC, d)]
        own = next((d for d in known if d.startswith(REPORTED)), None)
        seen = next((d for d in known if not d.startswith(REPORTED)), None)
        if own is None or seen is None:
            continue
        theirs, ours = (_centre(measured, cell, definition) for definition in (own, seen))
        if theirs is None or ours is None or 1 / FAR_APART <= theirs / ours <= FAR_APART:
            continue
        figures = f"{format_value(theirs, 'token/s')}, and {format_value(ours, 'token/s')} by {seen}"
        yield f"{where(config, cell)}: by its own figure {RATE_METRIC} is {figures}; {TO_READ_BOTH}"


def _centre(measured: Measured, cell: Cell, definition: str) -> float | None:
    found = measured.values(cell, RATE_METRIC, definition).values()
    values = [m.value for m in found if m.value is not None and m.value > 0]
    return geometric_mean(values).centre if len(values) > 0 else None


def _counts(trial: Trial) -> bool:
    return trial.kind == "full" and trial.is_measured and trial.failure is None and trial.void is None


def _seconds(trial: Trial) -> float | None:
    """How long it took from its spawn on."""
    return next((m.value for m in trial.measurements if m.metric == "wall_s" and m.value is not None), None)


def where(config: Config, cell: Cell) -> str:
    """A runtime, and the test, as warnings begin."""
    model, test, runtime = cell
    models = (model,) if len(config.models) > 1 else ()
    return " · ".join((config.runtime_title(runtime), *models, test))


def memory_warnings(models: Sequence[ModelFacts], machine: Mapping[str, Scalar]) -> Iterator[str]:
    """Models whose weights alone are larger than the memory of the machine, or than a container's limit. That is no
    reason to refuse: a file may be mapped and read in part, and a GPU may hold it."""
    of_machine = machine.get("memory_bytes")
    memory = machine.get("usable_memory_bytes", of_machine)
    where = "this machine has" if memory == of_machine else "the container that parity runs in has"
    for model in models:
        if isinstance(memory, int | float) and model.size_bytes > memory:
            sizes = f"{in_bytes(model.size_bytes)}, and {where} {in_bytes(round(memory))} of memory"
            yield (
                f"{model.name}: its weights have {sizes}: unless a GPU holds them, a runtime reads them from disk "
                "again and again, or is killed; use a smaller model or quantisation"
            )


def clock_warnings(trials: Sequence[Trial]) -> Iterator[str]:
    """That somebody set the wall clock while trials ran or between them, so that times of day in this run can't be
    compared."""
    steps = [(trial, trial.conditions.wall_step_s) for trial in trials if trial.conditions is not None]
    set_by = [(trial, step_s) for trial, step_s in steps if step_s]
    between = list(_set_between(trials))
    if set_by or between:
        trial, step_s = max((*set_by, *between), key=lambda one: abs(one[1]))
        while_running = f"while {plural(len(set_by), 'trial')} ran" if set_by else ""
        ahead = f"before {plural(len(between), 'trial')}" if between else ""
        place = "in" if (trial, step_s) in set_by else "ahead of"
        yield (
            f"the clock of the machine was set or corrected {' and '.join(filter(None, (while_running, ahead)))}, by "
            f"{step_s:+,.1f} s {place} {trial.file}: times of day in this run may be wrong, and no duration is, for "
            "none is read from that clock"
        )


def _set_between(trials: Sequence[Trial]) -> Iterator[tuple[Trial, float]]:
    """The trials since whose predecessor the wall clock was set, with what it was set by."""
    known = [(t.conditions.wall_clock, t) for t in trials if t.conditions is not None and t.conditions.wall_clock]
    known.sort(key=lambda one: (one[0].clock, one[0].begin_ns))
    for (earlier, _), (later, trial) in pairwise(known):
        if earlier.clock == later.clock:
            lasted_s = (later.begin_ns - earlier.end_ns) / 1e9
            if step_s := stepped_s(earlier.end_offset_s, later.begin_offset_s, lasted_s):
                yield trial, step_s


def _of_trial(trial: Trial, budgets: Mapping[tuple[str, TrialKind], int]) -> Iterator[str]:
    yield from trial.warnings
    count = None if trial.identity is None or trial.kind == "whole" else trial.identity.generated_tokens
    if count is None or trial.identity is None:
        return
    budget = budgets[trial.test, trial.kind]
    if trial.identity.ended_early:
        yield f"sampled {count} of {plural(budget, 'token')}; {TO_GENERATE_ALL}"
    elif count > budget:
        yield f"generated {plural(count, 'token')}, and was asked for {budget}; {TO_KEEP_THE_BUDGET}"


def notices(title: Callable[[str], str], trials: Sequence[Trial]) -> Iterator[str]:
    """What runtimes warned of on standard error in trials that gave a result: each kind of line once, with the
    runtimes and how often. `title`: the name of a runtime as headings have it."""
    told: dict[str, list[tuple[Trial, int]]] = {}
    for trial in trials:
        for notice in trial.notices if trial.failure is None else ():
            told.setdefault(notice.text, []).append((trial, notice.count))
    for text, by in list(told.items())[:MOST_NOTICES]:
        runtimes = " and ".join(dict.fromkeys(title(trial.runtime) for trial, _ in by))
        count = sum(times for _, times in by)
        often = f"{plural(count, 'time')} in {plural(len(by), 'trial')}"
        yield f"{runtimes} warned, {often}: {text}"
    if len(told) > MOST_NOTICES:
        yield f"{len(told) - MOST_NOTICES} further kinds of warnings are in the transcripts"
