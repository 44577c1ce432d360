"""Two budgets: rates of a program from the difference between two trials of one round. Pure.

gen_tps = (N₂ − N₁) ÷ (T₂ − T₁), where load, start and end cancel; N as counted in each trial, T from the start mark to
the end mark, or from spawn to exit where there are none. With it, what the shorter trial spent before its first token:
prompt_tps = P ÷ (T₁ − (N₁ − 1) ÷ gen_tps), a lower bound.
"""

from collections.abc import Mapping, Sequence

from parity.reading.dictionary import METRICS, strictness
from parity.reading.metrics.generation import GEN_TPS, TWO_BUDGETS
from parity.reading.metrics.prompt import PREFILL_SHORT_BUDGET, PROMPT_TPS
from parity.records import Measurement, Trial, TrialKind

RATE = TWO_BUDGETS.id
PROMPT = PREFILL_SHORT_BUDGET.id
OF_TWO_TRIALS = (RATE, PROMPT)
"""Definitions of which a value is computed from the difference of two trials."""

SPANS = ("total_s", "wall_s")
"""What T may be, strictest first."""


def with_two_budgets(trials: Sequence[Trial], budgets: Mapping[tuple[str, TrialKind], int]) -> tuple[Trial, ...]:
    """The trials; each measured one of the larger budget also has the rates from it and its partner of the same round.

    `budgets`: (test, kind) → token budget."""
    short = {_turn(t): t for t in trials if t.kind == "short"}
    completed = []
    for trial in trials:
        partner = short.get(_turn(trial)) if trial.kind == "full" else None
        if partner is None or trial.failure is not None or trial.warmup:
            completed.append(trial)
            continue
        asked = (budgets[trial.test, "short"], budgets[trial.test, "full"])
        found = (*trial.measurements, *_measure(partner, trial, asked))
        completed.append(trial.but(measurements=tuple(sorted(found, key=_place))))
    return tuple(completed)


def _turn(trial: Trial) -> tuple[str, str, str, int, bool]:
    return *trial.cell, trial.round, trial.warmup


def _place(measurement: Measurement) -> tuple[int, int]:
    order = list(METRICS)
    place = order.index(measurement.metric) if measurement.metric in METRICS else len(order)
    return place, strictness(measurement.metric, measurement.definition)


def _measure(short: Trial, full: Trial, asked: tuple[int, int]) -> Sequence[Measurement]:
    if short.failure is not None:
        reason = f"its trial of {asked[0]} tokens failed ({short.failure.kind})"
        return _neither(reason)
    counts = common(short, full, ("generated_tokens",))
    spans = common(short, full, SPANS)
    if counts is None or spans is None:
        reason = "its two trials do not both show how many tokens they generated and how long that took"
        return _neither(reason)
    (n1, n2), (t1, t2) = (counts[1], counts[2]), (spans[1], spans[2])
    if n1 < asked[0] or n2 < asked[1]:
        reason = f"it generated {n1:.0f} and {n2:.0f} of {asked[0]} and {asked[1]} tokens"
    elif n1 > asked[0] or n2 > asked[1]:
        counted = f"{counts[0].definition} counts {n1:.0f} and {n2:.0f} tokens"
        reason = f"{counted}, and the budgets are {asked[0]} and {asked[1]}"
    elif n2 <= n1 or t2 <= t1:
        reason = f"the larger budget took no longer ({t2:.4g} s against {t1:.4g} s)"
    else:
        rate = (n2 - n1) / (t2 - t1)
        note = f"of {asked[0]} and {asked[1]} tokens, N by {counts[0].definition}, T by {spans[0].definition}"
        return [GEN_TPS.value(rate, RATE, "derived", note), _prompt(short, full, rate, n1, t1, spans[0])]
    return _neither(reason)


def _neither(reason: str) -> Sequence[Measurement]:
    return [GEN_TPS.absent(reason, RATE), PROMPT_TPS.absent(reason, PROMPT)]


def _prompt(short: Trial, full: Trial, rate: float, n1: float, t1: float, span: Measurement) -> Measurement:
    counts = common(short, full, ("prompt_tokens",))
    if span.metric != "total_s":
        return PROMPT_TPS.absent("the program does not mark the start of prefill", PROMPT)
    if counts is None:
        return PROMPT_TPS.absent("the number of prompt tokens is not known", PROMPT)
    prefill_s = t1 - (n1 - 1) / rate
    if prefill_s <= 0:
        return PROMPT_TPS.absent("generation alone takes as long as the whole shorter trial", PROMPT)
    return PROMPT_TPS.value(counts[1] / prefill_s, PROMPT, "derived")


def common(short: Trial, full: Trial, metrics: Sequence[str]) -> tuple[Measurement, float, float] | None:
    """The first of the metrics that both trials have by one definition, strictest first, with both values."""
    for metric in metrics:
        mine = {m.definition: m for m in short.measurements if m.metric == metric and m.value is not None}
        for other in sorted(full.measurements, key=_place):
            if other.metric == metric and other.value is not None and other.definition in mine:
                value = mine[other.definition].value
                assert value is not None
                return other, value, other.value
    return None
