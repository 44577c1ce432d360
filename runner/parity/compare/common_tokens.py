"""Rates of two sides that generated different numbers of tokens: over the tokens that both have.

The first steps of a process differ from later ones, and each step takes longer than the one before it. So the rate of 3
tokens says nothing of a rate of 20.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from parity.reading.dictionary import METRICS
from parity.reading.metrics.generation import why_no_gaps
from parity.records import Trial
from parity.units import plural

LEAST = 8
"""With fewer tokens in common, a rate is that of the first steps alone."""

TO_GENERATE_MORE = "set `ignore_end` in the test, or choose a prompt with a longer answer"

EQUALLY = "let both generate all of `max_tokens`, such as by `ignore_end` in the test"


@dataclass(frozen=True)
class Common:
    """Values of both sides over the tokens that both have in each round, in the order of the rounds. `tokens`: the
    fewest of a round. `reason`: why there are no values."""

    tokens: int | None = None
    ours: tuple[float, ...] = ()
    theirs: tuple[float, ...] = ()
    reason: str | None = None


def over_common_tokens(
    metric: str, definition: str, ours: Mapping[int, Trial], theirs: Mapping[int, Trial], rounds: Sequence[int]
) -> Common | None:
    """The values of a rate over the tokens that both sides have in each of `rounds`. None where they generated equally
    many, or where the metric is no rate of tokens.

    `ours` and `theirs`: round → trial. Each round has its own number of tokens, so that no later round changes the
    values of an earlier one, by which a verdict may have been given."""
    if METRICS[metric].of_gaps is None:
        return None
    if few := too_few_tokens(metric, [side[number] for number in rounds for side in (ours, theirs)]):
        return Common(reason=few)
    pairs = [(_count(ours[number]), _count(theirs[number])) for number in rounds]
    different = next(((a, b) for a, b in pairs if a is not None and b is not None and a != b), None)
    if different is None:
        return None
    generated = f"the sides generated {different[0]} and {different[1]} tokens"
    sides = ([ours[number] for number in rounds], [theirs[number] for number in rounds])
    if definition != "token-stamps" or not all(trial.gaps_ns for side in sides for trial in side):
        return Common(reason=f"{generated}, and {definition} can't be limited to the tokens that both have; {EQUALLY}")
    counts = [min(len(one.gaps_ns), len(other.gaps_ns)) + 1 for one, other in zip(*sides, strict=True)]
    tokens = min(counts)
    if tokens < LEAST:
        few = f"{generated}: {tokens} tokens in common are too few for a rate, which needs {LEAST}"
        return Common(reason=f"{few}; {EQUALLY}")
    values = [list(_values(metric, side, counts)) for side in sides]
    for found in (*values[0], *values[1]):
        if isinstance(found, str):
            return Common(tokens, reason=f"over the tokens that both have, {found}")
    one, other = (tuple(found for found in side if not isinstance(found, str)) for side in values)
    return Common(tokens, one, other)


def too_few_tokens(metric: str, trials: Sequence[Trial]) -> str | None:
    """Why trials that ended by themselves show no rate: one of them has fewer than `LEAST` tokens. A budget below it is
    the choice of who wrote the test."""
    ended = [t.identity.generated_tokens for t in trials if t.identity is not None and t.identity.ended_early]
    fewest = min((count for count in ended if count is not None), default=LEAST)
    if METRICS[metric].of_gaps is None or fewest >= LEAST:
        return None
    tokens = f"{plural(fewest, 'token')}"
    return f"a trial ended after {tokens}: these are too few for a rate, which needs {LEAST}; {TO_GENERATE_MORE}"


def _count(trial: Trial) -> int | None:
    return trial.identity.generated_tokens if trial.identity is not None else None


def _values(metric: str, side: Sequence[Trial], counts: Sequence[int]) -> Iterator[float | str]:
    """Each trial's value over so many of its first tokens, or why it has none."""
    spec = METRICS[metric]
    assert spec.of_gaps is not None, "a rate of tokens"
    for trial, tokens in zip(side, counts, strict=True):
        gaps_ns = trial.gaps_ns[: tokens - 1]
        value = spec.of_gaps(gaps_ns)
        yield value if value is not None else why_no_gaps(spec, gaps_ns)
