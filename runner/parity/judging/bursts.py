"""Rates of tokens or text that were handed on after they had been made, which only another runtime shows. Pure.

Behind a long wait for the first token, a trial can't show whether that was its prompt or also its answer. A runtime
that waits much longer for its first token than another one, by a large share of the time in which the other one
generates the same number, and then shows the rest much faster, may have generated it in that wait. Two budgets decide
where they are set. Further prefills of the same process excuse a wait that they don't have: what a process does once.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from parity.reading.metrics.generation import CHUNKS
from parity.reading.metrics.prompt import FIRST_CHUNK, FIRST_TEXT, STEADY_STATE
from parity.reading.metrics.two_budgets import RATE
from parity.reading.stamps import ALL, FACT
from parity.records import Cell, Departure, Trial
from parity.units import format_value

STAMPED = "token-stamps"
SHOWN = (
    (STAMPED, STAMPED, "tokens"),
    (CHUNKS.id, FIRST_TEXT.id, "pieces of text"),
    (CHUNKS.id, FIRST_CHUNK.id, "pieces of text"),
)
"""The definitions of a rate and of the first of what it counts, which need the same kind of output. Tokens have a first
text too; a program whose text parity stamps has a first chunk alone."""

FEWEST_TOKENS = 8
FASTER = 1.25
SHARE = 0.5
"""Of the time that the other runtime takes for as many tokens: a first token that is later by more."""

SLOWER_PREFILL = 3.0
"""How many times longer than a generated token a token of the prompt may take in a further prefill."""


@dataclass(frozen=True)
class Pace:
    """What the trials of a cell show: seconds to the first token, seconds from token to token, tokens."""

    runtime: str
    first_s: float
    gap_s: float
    tokens: int
    what: str
    proven: bool


def with_bursts(trials: Sequence[Trial], baseline: str) -> tuple[Trial, ...]:
    """The trials; those whose rate the baseline puts in doubt depart, and those of a baseline that a runtime does."""
    cells: dict[Cell, list[Trial]] = {}
    for trial in trials:
        if trial.kind == "full" and not trial.warmup and trial.failure is None and trial.void is None:
            cells.setdefault(trial.cell, []).append(trial)
    found: dict[Cell, Departure] = {}
    for definitions in SHOWN:
        paces = {cell: pace for cell, mine in cells.items() if (pace := _pace(mine, *definitions)) is not None}
        for cell, other in _with_baseline(paces, baseline):
            if why := _doubt(paces[cell], paces[other]):
                found.setdefault(cell, Departure(fact=FACT, sentence=why, metrics=ALL))
    return tuple(trial.departing(found[trial.cell]) if trial.cell in found else trial for trial in trials)


def _with_baseline(paces: Mapping[Cell, Pace], baseline: str) -> Iterator[tuple[Cell, Cell]]:
    """Each cell with the baseline's of the same model and test, and the other way round, in the order of the cells."""
    beside: dict[tuple[str, str], list[Cell]] = {}
    for cell in paces:
        beside.setdefault(cell[:2], []).append(cell)
    for cell in paces:
        for other in beside[cell[:2]]:
            if other != cell and baseline in (cell[2], other[2]):
                yield cell, other


def _pace(trials: Sequence[Trial], of_rate: str, of_first: str, what: str) -> Pace | None:
    if any(departure.fact == FACT for trial in trials for departure in trial.departures):
        return None
    rates, firsts = _values(trials, "gen_tps", of_rate), _values(trials, "ttft_s", of_first)
    counts = [t.identity.generated_tokens for t in trials if t.identity and t.identity.generated_tokens is not None]
    if not rates or not firsts or not counts:
        return None
    gap_s = 1 / statistics.median(rates)
    further = [rate * SLOWER_PREFILL * gap_s for rate in _values(trials, "prompt_tps", STEADY_STATE.id)]
    proven = bool(_values(trials, "gen_tps", RATE)) or (bool(further) and statistics.median(further) >= 1)
    return Pace(trials[0].runtime, statistics.median(firsts), gap_s, min(counts), what, proven)


def _doubt(ours: Pace, theirs: Pace) -> str | None:
    """Why the rate of a runtime is in doubt beside a different one's."""
    later_s, tokens = ours.first_s - theirs.first_s, min(ours.tokens, theirs.tokens)
    if ours.proven or tokens < FEWEST_TOKENS or theirs.gap_s <= FASTER * ours.gap_s:
        return None
    if later_s <= SHARE * tokens * theirs.gap_s:
        return None
    rest = format_value((ours.tokens - 1) * ours.gap_s, "s")
    return (
        f"the first of its {ours.what} came {format_value(later_s, 's')} later than that of {theirs.runtime}, and all "
        f"others within {rest}: they may be stamped after they were made; give the test short_tokens, so that two "
        "budgets show the rate"
    )


def _values(trials: Sequence[Trial], metric: str, definition: str) -> list[float]:
    return [value for trial in trials if (value := trial.value(metric, definition))]
