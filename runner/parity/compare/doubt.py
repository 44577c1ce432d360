"""Where a rate from two budgets can't be trusted: the long trials themselves show a different one. Pure.

Two budgets assume that all that comes before token n1 takes the same time in both trials of a round. The long trial
alone shows tokens n1 to n2 as well, where its program shows tokens or text at all. That compares like with like: work
that is done once, such as a slow first step of decoding, is in neither.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from parity import stats
from parity.compare.advice import FURTHER_APART, ON_A_QUIETER_MACHINE
from parity.compare.measured import Measured
from parity.reading.dictionary import METRICS
from parity.reading.metrics.spec import NS
from parity.reading.metrics.two_budgets import RATE
from parity.records import Cell, Trial
from parity.units import format_value

MOST_APART = 0.1
"""How far two rates may lie apart and still count as the same. It is a property of the check, and of no gate: what a
difference in prefill adds to the rate of two budgets is far larger than the scatter of a rate within one trial."""


FEWEST_PIECES = 8
"""With fewer pieces of text, their lengths decide the rate."""


@dataclass(frozen=True)
class Doubt:
    """`factor`: what the long trials show, divided by what two budgets give."""

    sentence: str
    factor: float
    advice: str = f"{FURTHER_APART}, or {ON_A_QUIETER_MACHINE}"


def doubt(measured: Measured, cell: Cell, metric: str, definition: str) -> Doubt | None:
    """Why a rate from two trials is in doubt; None where it can be trusted, or where nothing can check it."""
    if definition != RATE:
        return None
    ours = measured.values(cell, metric, definition)
    within = dict(_within(measured, cell))
    pairs = [(a, within[k]) for k in sorted(ours.keys() & within.keys()) if (a := ours[k].value)]
    if len(pairs) < max(2, len(ours) / 2):
        return None
    factor = stats.geometric_mean([long / two for two, long in pairs]).centre
    if 1 - MOST_APART <= factor <= 1 / (1 - MOST_APART):
        return None
    two, long = (stats.geometric_mean(values).centre for values in zip(*pairs, strict=True))
    unit = METRICS[metric].unit
    sentence = (
        f"{cell[2]} shows {format_value(long, unit)} from token to token in its long trials where two budgets give "
        f"{format_value(two, unit)}: what comes before these tokens took {'more' if factor > 1 else 'less'} time "
        "in the long trials than in the short ones"
    )
    return Doubt(sentence, factor)


def _within(measured: Measured, cell: Cell) -> Iterator[tuple[int, float]]:
    """Round → the rate of tokens n1 to n2 within the long trial."""
    short = measured.short_trials(cell)
    for trial in measured.trials(cell):
        first = _generated(short[trial.round]) if trial.round in short else None
        last = _generated(trial)
        if first is None or last is None or last <= first:
            continue
        if (rate := _rate(trial, first, last)) is not None:
            yield trial.round, rate


def _rate(trial: Trial, first: int, last: int) -> float | None:
    """By the stamps of its tokens, or else by the pieces of its text, which are taken to be equally long."""
    if len(trial.gaps_ns) == last - 1:
        gaps_ns = trial.gaps_ns[first - 1 :]
        return len(gaps_ns) / (sum(gaps_ns) * NS) if sum(gaps_ns) > 0 else None
    pieces = len(trial.text_gaps_ns) + 1
    skipped = round(pieces * first / last)
    if skipped < 1 or pieces - skipped < FEWEST_PIECES or sum(trial.text_gaps_ns[skipped - 1 :]) <= 0:
        return None
    return (pieces - skipped) * last / pieces / (sum(trial.text_gaps_ns[skipped - 1 :]) * NS)


def _generated(trial: Trial) -> int | None:
    return trial.identity.generated_tokens if trial.identity is not None else None
