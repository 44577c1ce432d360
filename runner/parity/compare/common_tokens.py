"""Rates of two sides that generated different numbers of tokens: over the tokens that both have.

The first steps of a process differ from later ones, and each step takes longer than the one before it. So the rate of 3
tokens says nothing of a rate of 20.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from parity.reading.dictionary import METRICS
from parity.reading.metrics.generation import why_no_gaps
from parity.records import Trial

LEAST = 8
"""With fewer tokens in common, a rate is that of the first steps alone."""

EQUALLY = "let both generate all of `max_tokens`, such as by `ignore_end` in the test"


@dataclass(frozen=True)
class Common:
    """Values of both sides over the first `tokens` tokens, in the order of the rounds; `reason`: why there are none."""

    tokens: int | None = None
    ours: tuple[float, ...] = ()
    theirs: tuple[float, ...] = ()
    reason: str | None = None


def over_common_tokens(
    metric: str, definition: str, ours: Mapping[int, Trial], theirs: Mapping[int, Trial], rounds: Sequence[int]
) -> Common | None:
    """The values of a rate over the tokens that both sides have in each of `rounds`. None where they generated equally
    many, or where the metric is no rate of tokens.

    `ours` and `theirs`: round → trial. One number of tokens holds for all rounds."""
    if METRICS[metric].of_gaps is None:
        return None
    pairs = [(_count(ours[number]), _count(theirs[number])) for number in rounds]
    different = next(((a, b) for a, b in pairs if a is not None and b is not None and a != b), None)
    if different is None:
        return None
    generated = f"the sides generated {different[0]} and {different[1]} tokens"
    sides = ([ours[number] for number in rounds], [theirs[number] for number in rounds])
    if definition != "token-stamps" or not all(trial.gaps_ns for side in sides for trial in side):
        return Common(reason=f"{generated}, and {definition} can't be limited to the tokens that both have; {EQUALLY}")
    tokens = min(len(trial.gaps_ns) for side in sides for trial in side) + 1
    if tokens < LEAST:
        few = f"{generated}: {tokens} tokens in common are too few for a rate, which needs {LEAST}"
        return Common(reason=f"{few}; {EQUALLY}")
    values = [list(_values(metric, side, tokens)) for side in sides]
    for found in (*values[0], *values[1]):
        if isinstance(found, str):
            return Common(tokens, reason=f"over the first {tokens} tokens, {found}")
    one, other = (tuple(found for found in side if not isinstance(found, str)) for side in values)
    return Common(tokens, one, other)


def _count(trial: Trial) -> int | None:
    return trial.identity.generated_tokens if trial.identity is not None else None


def _values(metric: str, side: Sequence[Trial], tokens: int) -> Iterator[float | str]:
    """Each trial's value over its first tokens, or why it has none."""
    spec = METRICS[metric]
    assert spec.of_gaps is not None, "a rate of tokens"
    for trial in side:
        gaps_ns = trial.gaps_ns[: tokens - 1]
        value = spec.of_gaps(gaps_ns)
        yield value if value is not None else why_no_gaps(spec, gaps_ns)
