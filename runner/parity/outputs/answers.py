"""Two continuations compared by their ids. Pure."""

from parity.outputs.continuation import difference_at, first_different, unchecked_after
from parity.outputs.findings import Finding, of_flip
from parity.outputs.flips import settle_flip
from parity.outputs.pair import Pair
from parity.outputs.sides import Side
from parity.records import FirstDifference

FEWEST_IDS = 8
"""Ids that show by themselves that two runtimes compute the same, where nothing is scored."""


def by_ids(pair: Pair) -> tuple[Finding, FirstDifference | None]:
    """Of two greedy runtimes after one prompt."""
    one, other = pair.theirs.first_ids, pair.ours.first_ids
    place = first_different(one, other)
    if place is None and len(one) == len(other):
        said = f"all {len(one)} token ids are the same" if len(one) > 1 else "the only token id is the same"
        if len(one) >= FEWEST_IDS or pair.distances is not None:
            return Finding("IDENTICAL", said), None
        few = f"only {len(one)} token{'s were' if len(one) > 1 else ' was'} compared, and no scores"
        return Finding("UNPROVEN", f"{said}, but {few}", acceptable=True), None
    if place is None:
        return _shorter(pair.theirs, pair.ours), None
    difference = difference_at(place, pair.theirs, pair.ours, pair.sequence)
    flip = of_flip(difference, max(len(one), len(other)), pair.theirs, pair.ours, pair.tolerance)
    if flip.verdict != "WRONG" and pair.alike and not pair.on_gpu:
        said = f"{flip.sentence}; both are the same engine, set up alike, which gives the same ids"
        flip = Finding("DRIFT", said)
    flip = settle_flip(flip, difference, pair.tolerance, pair.arbiter)
    if flip.verdict == "EQUIVALENT" and (unchecked := _unchecked(pair)) is not None:
        return Finding("UNPROVEN", f"{flip.sentence}; {unchecked}"), difference
    return flip, difference


def by_ids_of_a_sampler(pair: Pair, reason: str) -> tuple[Finding, FirstDifference | None]:
    """Where a side was not greedy in a test that is: ids that differ are shown, whatever explains them. `reason`: why
    it was not greedy."""
    one = pair.theirs.first_ids
    for other in pair.ours.ids.values():
        place = first_different(one, other)
        if place is not None:
            said = (
                f"{reason}; the ids agree for {place} of {max(len(one), len(other))} tokens; token {place + 1} is "
                f"{one[place]} for {pair.theirs.runtime} and {other[place]} for {pair.ours.runtime}"
            )
            difference = FirstDifference(at=place + 1, theirs=str(one[place]), ours=str(other[place]))
            return Finding("UNPROVEN", said), difference
    if len(one) != len(pair.ours.first_ids):
        shorter = _shorter(pair.theirs, pair.ours)
        return Finding("UNPROVEN", f"{reason}; {shorter.sentence}", shorter.acceptable), None
    return Finding("UNPROVEN", f"{reason}; the ids agree for all {len(one)} tokens", acceptable=True), None


def _shorter(theirs: Side, ours: Side) -> Finding:
    """One continuation is the beginning of the other. That speaks against nobody only where the shorter one ended at an
    end token that the longer one has too, and the longer one is not known to stop at such tokens."""
    shorter, longer = sorted((theirs, ours), key=lambda side: len(side.first_ids))
    fewest, most = len(shorter.first_ids), len(longer.first_ids)
    said = f"the ids agree for all {fewest} tokens that both generated, of {most}"
    if shorter.ended and shorter.shows_end and longer.stops_at_end:
        ended = f"{shorter.runtime} ended there, at an end token that is none for {longer.runtime}"
        return Finding("WRONG", f"{said}; {ended}, though that stops at end tokens too")
    hidden = longer.shows_end and most == fewest + 1
    if shorter.ended and (shorter.shows_end or hidden):
        return Finding("UNPROVEN", f"{said}; {shorter.runtime} ended at an end token", acceptable=True)
    return Finding("UNPROVEN", f"{said}, and nothing shows that {shorter.runtime} ended at an end token")


def _unchecked(pair: Pair) -> str | None:
    """That nothing shows what a side computed after it left the sequence that all scored: its own answer was not
    scored."""
    for side in (pair.theirs, pair.ours):
        number = unchecked_after(side, pair.sequence_by(side))
        if number is not None:
            own = side.own.failure if side.own is not None else None
            why = f" ({own.kind}: {own.message})" if own is not None else ""
            return f"what follows token {number} of {side.runtime} was not checked{why}"
    return None
