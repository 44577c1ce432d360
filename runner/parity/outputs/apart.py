"""The first position at which two sides find different next tokens likely, and what tells that there. Pure."""

from collections.abc import Mapping, Sequence

from pydantic import Field

from parity.outputs.distances import kl_at_least
from parity.records import Record, Scored, Tolerance


class Bound(Record):
    """What the divergence at one position is held to, in nats. Between the two ends nothing is decided."""

    shows: float = Field(description="a larger divergence shows the fault")
    gone: float = Field(description="up to this one the position is as it should be")
    source: str


def divergence(theirs: Scored, ours: Scored) -> float:
    """The least that the Kullback-Leibler divergence of the implementation from the baseline can be, in nats."""
    return kl_at_least(theirs, ours)[0]


def first_apart(
    theirs: Sequence[Scored], ours: Sequence[Scored], tolerance: Tolerance
) -> tuple[tuple[Scored, Scored], Bound]:
    """The scores of both sides at the first position whose divergence is more than drift allows for the 99th
    percentile; or else more than the tolerance allows for it; or else at the position with the largest one, where only
    all positions together are too far apart. Both scored the same sequence, of at least one position."""
    pairs = list(zip(theirs, ours, strict=True))
    found = [divergence(one, other) for one, other in pairs]
    allowed = tolerance.allowed.p99_kl
    for limit, source in (
        (tolerance.blamed.p99_kl, "the 99th percentile beyond which it is called drift"),
        (allowed, "the 99th percentile that the tolerance allows"),
    ):
        place = next((k for k, kl in enumerate(found) if kl > limit), None)
        if place is not None:
            return pairs[place], Bound(shows=limit, gone=min(limit, allowed), source=source)
    place = max(range(len(found)), key=lambda k: found[k])
    half = found[place] / 2
    source = "half of the largest divergence, for no single position is beyond the tolerance"
    return pairs[place], Bound(shows=half, gone=half, source=source)


def next_length(shown: Mapping[int, bool], whole: int) -> int | None:
    """How many ids to try next, or None once the search is over. `shown`: number of ids that were tried → whether the
    last of them shows the fault; `whole`: the number that is known to show it.

    Lengths double from 2 until one shows it; then the gap to the longest below it that doesn't is halved. A fault may
    show with few ids and not with more, so that what is found is the shortest that was tried, and no more."""
    length = 2
    while length < whole and not shown.get(length, False):
        if length not in shown:
            return length
        length *= 2
    high = min((n for n, shows in shown.items() if shows), default=whole)
    low = max((n for n, shows in shown.items() if not shows and n < high), default=1)
    return (low + high) // 2 if high - low > 1 else None
