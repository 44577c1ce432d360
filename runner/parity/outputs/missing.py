"""Why a trial that was due to score gave no result. Pure.

What was not scored could have shown a fault, whoever is to blame that it was not: the runtime, the machine, or the user
who stopped the run. So it is never as good as a result.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from parity.reading.departures import CHANGED
from parity.records import Trial


def last_try(tries: Sequence[Trial]) -> Trial | None:
    """The last that gave a result, or else the last."""
    return max(tries, key=lambda trial: (trial.failure is None, trial.attempt), default=None)


@dataclass(frozen=True)
class Missing:
    """`said`: a sentence. `by_itself`: the runtime failed, and nothing else kept it from a result."""

    said: str
    by_itself: bool = False


def why_missing(runtime: str, tried: Trial | None, not_begun: str | None, what: str) -> Missing | None:
    """Of a trial that was to score `what`; None where it gave a result that counts, or none was due. `not_begun`: why
    one that was due was not run."""
    if tried is None:
        return Missing(f"{runtime} was not asked to score {what}: {not_begun}") if not_begun is not None else None
    if tried.failure is None:
        changed = next((departure.sentence for departure in tried.departures if departure.fact == CHANGED), None)
        return Missing(f"{runtime} scored {what}, and {changed}") if changed is not None else None
    how = f"{tried.failure.kind}: {tried.failure.message}"
    if tried.void is not None:
        return Missing(f"{runtime} could not score {what} on a busy machine ({how}; {tried.void})")
    if tried.failure.kind == "interrupted":
        return Missing(f"{runtime} was interrupted before it had scored {what}")
    return Missing(f"{runtime} failed to score {what} ({how})", by_itself=True)
