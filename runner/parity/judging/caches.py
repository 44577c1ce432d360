"""Trials whose prompt a cache answered that outlives the process: the first one was much slower in reading it. Pure.

No trial shows it alone. A first trial that was slow because its files were not in memory yet was slow in loading too,
and one that the machine held up is not slower than all of the others by so much. A GPU's kernels may be compiled in the
first trial alone; then the later ones show that they computed their prompt, by taking no less time for it than for the
same prompt with an empty cache.
"""

from collections.abc import Mapping, Sequence

from parity.reading.facts import facts_in
from parity.reading.metrics.prompt import STEADY_STATE
from parity.records import Cell, Departure, Trial
from parity.units import format_value

SLOWER = 5.0
"""How many times longer the first trial took for its prompt than every later one."""

SLOWER_LOAD = 2.0
"""How many times longer its load may have taken."""

LEAST_S = 0.02
"""A difference below this is within what a scheduler does."""

FASTER = 3.0
"""How many times the rate with an empty cache a prompt may be read at that was computed and not found in a cache."""

NO_PROOFS: Mapping[str, float | None] = {}

OF_THE_PROMPT = ("prompt_tps", "ttft_s", "total_s")


def with_prompt_caches(trials: Sequence[Trial], proofs: Mapping[str, float | None] = NO_PROOFS) -> tuple[Trial, ...]:
    """The trials; those of a cell whose later trials found their prompt in a cache depart from what was asked.

    `proofs`: runtime → the seconds that it took for its first token on a tiny model, before any trial."""
    cells: dict[Cell, list[Trial]] = {}
    for trial in trials:
        if _is_evidence(trial) and trial.value("ttft_s") is not None:
            cells.setdefault(trial.cell, []).append(trial)
    found = {cell: departure for cell, mine in cells.items() if (departure := _cached(mine, proofs.get(cell[2])))}
    return tuple(_with(trial, found[trial.cell]) if trial.cell in found else trial for trial in trials)


def _is_evidence(trial: Trial) -> bool:
    """Not a warm-up off the CPU: the first process that uses a GPU may compile its kernels for all later ones."""
    if trial.kind != "full" or trial.failure is not None:
        return False
    device = facts_in(trial.identity.settings).get("device") if trial.identity is not None else None
    return not trial.warmup or device in (None, "cpu")


def _cached(trials: Sequence[Trial], proof_s: float | None) -> Departure | None:
    first, *later = trials
    if len(later) < 2 or all(_computed(trial) for trial in later):
        return None
    slow, fast, all_s = (_seconds("ttft_s", some) for some in ([first], later, trials))
    if proof_s is not None and _much_slower(proof_s, all_s):
        return _departure(f"it took {format_value(proof_s, 's')} for the prompt of a tiny model", "every trial", all_s)
    loads = _seconds("load_s", later)
    if not _much_slower(slow, fast) or (loads > 0 and _seconds("load_s", [first]) > SLOWER_LOAD * loads):
        return None
    return _departure(f"its first trial took {format_value(slow, 's')} for the prompt", "every later one", fast)


def _computed(trial: Trial) -> bool:
    """Whether the trial itself shows the rate at which it reads its prompt with an empty cache, and was no faster."""
    first, empty = (trial.value("prompt_tps", definition) for definition in ("token-stamps", STEADY_STATE.id))
    return first is not None and empty is not None and first <= FASTER * empty


def _much_slower(slow: float, fast: float) -> bool:
    return slow >= SLOWER * fast and slow - fast >= LEAST_S


def _departure(slow: str, others: str, fast_s: float) -> Departure:
    sentence = (
        f"{slow}, and {others} at most {format_value(fast_s, 's')}: a cache that outlives the process may hold the "
        "prompt; switch it off, or clear it before each trial"
    )
    return Departure(fact="prefix_cache", sentence=sentence, metrics=OF_THE_PROMPT)


def _with(trial: Trial, departure: Departure) -> Trial:
    departed = trial.departing(departure)
    if departed is trial or trial.warmup:
        return departed
    return departed.but(warnings=(*trial.warnings, departure.sentence))


def _seconds(metric: str, trials: Sequence[Trial]) -> float:
    """The longest of several trials; 0 where none shows it."""
    return max((value for trial in trials if (value := trial.value(metric)) is not None), default=0.0)
