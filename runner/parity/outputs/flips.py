"""What the exact arm decides where two continuations part at a token: which of the two tokens is right. Pure."""

from parity.outputs.arbiter import Arbiter
from parity.outputs.distances import known, most_of
from parity.outputs.findings import Finding
from parity.records import FirstDifference, Margin, Scored, Tolerance

Preference = tuple[float, float]
"""Between which two values log p of the implementation's token less that of the baseline's lies, by the exact arm."""


def settle_flip(flip: Finding, at: FirstDifference, tolerance: Tolerance | None, arbiter: Arbiter | None) -> Finding:
    """A flip as the scores of both sides judge it, with what the exact arm makes of it.

    - It prefers the baseline's token by more than honest engines take different ones at: WRONG.
    - It prefers the implementation's by as much: UNPROVEN, naming the baseline.
    - It finds a near-tie or prefers the implementation's, and the baseline alone prefers its own by far, or is the one
      that drifts by its distances: UNPROVEN, naming the baseline, unless the implementation prefers its token by far
      more than the arm does.
    - It finds a near-tie, the implementation's own scores do too, and those of the baseline lie between a near-tie and
      far: EQUIVALENT, for only the baseline's are off.

    Otherwise the flip stays what it is."""
    if arbiter is None or not arbiter.decides or flip.verdict not in ("WRONG", "DRIFT", "UNPROVEN"):
        return flip
    theirs, ours = arbiter.theirs.runtime, arbiter.ours.runtime
    blames = flip.verdict in ("WRONG", "DRIFT")
    found = _preference(at, arbiter)
    if found is None or at.position is None:
        if at.position is None and blames and arbiter.names_baseline:
            return Finding(
                "UNPROVEN", f"{flip.sentence}; by the exact arm {theirs}, the baseline, is the one that drifts"
            )
        return flip
    low, high = found
    near = arbiter.near(at.position)
    said = f"{flip.sentence}; the exact arm {_prefers(found, theirs, ours)}"
    if high < -near.blamed:
        return Finding("WRONG", f"{said}: {ours} is wrong there")
    if low > near.blamed:
        return Finding("UNPROVEN", f"{said}: {theirs}, the baseline, is wrong there")
    off = _exceeds(at.our_margin, high + near.blamed)
    excused = not off and (arbiter.names_baseline or _baseline_alone(at, tolerance, arbiter))
    if blames and low >= -near.passes and excused:
        return Finding("UNPROVEN", f"{said}: {theirs}, the baseline, is the one that is off")
    arm_ties = low == high and abs(low) <= near.passes and not _exceeds(at.our_margin, low + near.passes)
    if flip.verdict == "UNPROVEN" and arm_ties and _is_tie(at, tolerance, arbiter):
        return Finding("EQUIVALENT", f"{said}, a near-tie, as {ours} does")
    return flip


def _preference(at: FirstDifference, arbiter: Arbiter) -> Preference | None:
    """None where the arm did not score the position after the same ids, or lists neither token there."""
    scored = next((s for s in arbiter.arm.scores if s.position == at.position), None)
    return None if scored is None else preference(scored, int(at.ours), int(at.theirs))


def preference(scored: Scored, ours: int, theirs: int) -> Preference | None:
    """A token that is not listed is at most as likely as the last one that is."""
    listed = known(scored)
    difference = most_of(scored, ours)[0] - most_of(scored, theirs)[0]
    if ours in listed:
        return difference, difference if theirs in listed else float("inf")
    return (float("-inf"), difference) if theirs in listed else None


def _prefers(found: Preference, theirs: str, ours: str) -> str:
    low, high = found
    bound = low if low > float("-inf") else high
    side, least = (ours if bound >= 0 else theirs), "" if low == high else "at least "
    return f"prefers that of {side} by {least}{abs(bound):.3g} nats"


def _baseline_alone(at: FirstDifference, tolerance: Tolerance | None, arbiter: Arbiter) -> bool:
    """Whether by the scores of both it is the baseline alone that prefers its own token by far. Of one engine that is
    set up alike, the arm is too coarse to tell."""
    if tolerance is None or arbiter.alike:
        return False
    # Of what the odds change by when both are off, each has half.
    return _exceeds(at.their_margin, tolerance.blamed.delta) and not _exceeds(at.our_margin, tolerance.blamed.delta)


def _is_tie(at: FirstDifference, tolerance: Tolerance | None, arbiter: Arbiter) -> bool:
    """Whether the implementation's own scores show a near-tie, and the baseline's are known."""
    margins = (at.their_margin, at.our_margin)
    if tolerance is None or arbiter.alike or any(margin is None or margin.at_least for margin in margins):
        return False
    return not _exceeds(at.our_margin, tolerance.allowed.odds)


def _exceeds(margin: Margin | None, bound: float) -> bool:
    return margin is not None and margin.nats > bound
