"""What each rung of the ladder shows: its state for the reports, and what it means for the verdict. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from parity.outputs.continuation import OwnChoice
from parity.outputs.distances import PRINTED
from parity.outputs.sides import Side
from parity.outputs.texts import TextsCompared
from parity.outputs.tolerance import BLAMED, PASSES, multiple, scaled
from parity.records import Distances, FirstDifference, OutputKind, Rung, Tolerance
from parity.units import format_nats, format_times, plural

GROWS = 3.0
"""How many times farther apart the second half of a sequence must be, for growth to be called drift."""

BY_CHANCE = 0.001
"""How likely that may be by chance. Positions are not independent, so that it must be small."""

MOST_OUTSIDE = 0.5
"""The mean probability outside the tokens that both sides list, above which a lower bound says too little to pass."""


@dataclass(frozen=True)
class Near:
    """Nats by which scores may prefer a token to the one that a greedy runtime took: up to `passes` is a near-tie, and
    more than `blamed` is wrong."""

    passes: float
    blamed: float


@dataclass(frozen=True)
class Finding:
    """What one rung means. `acceptable`: of an UNPROVEN one, nothing that is shown speaks against the runtime. `alone`:
    the runtime's own output shows it, whatever the baseline's is."""

    verdict: OutputKind
    sentence: str
    acceptable: bool = False
    alone: bool = False


def prompt_rung(theirs: Side, ours: Side) -> Rung:
    one, other = theirs.identity, ours.identity
    counts = [side.prompt_tokens if side is not None else None for side in (one, other)]
    hashes = [side.prompt_ids_sha256 if side is not None else None for side in (one, other)]
    if None not in hashes:
        if hashes[0] == hashes[1]:
            return Rung(name="prompt", state="same", detail=f"the same {counts[0]} ids")
        lengths = f"{counts[0]} tokens and {counts[1]}"
        return Rung(name="prompt", state="differs", detail=f"the prompt ids differ ({lengths})")
    silent = " and ".join(side.runtime for side, sha256 in zip((theirs, ours), hashes, strict=True) if sha256 is None)
    said = f"{silent} shows no prompt ids" if " and " not in silent else f"{silent} show no prompt ids"
    if None not in counts and counts[0] != counts[1]:
        said = f"the prompts differ in length ({counts[0]} tokens and {counts[1]}; {said})"
        return Rung(name="prompt", state="differs", detail=said)
    if None not in counts:
        said += f"; both have {counts[0]} tokens"
    return Rung(name="prompt", state="not shown", detail=said)


def of_flip(found: FirstDifference, length: int, theirs: Side, ours: Side, tolerance: Tolerance | None) -> Finding:
    """Two continuations that part at a token. Honest engines part at a near-tie by the scores of both."""
    margins = [(theirs, found.their_margin), (ours, found.our_margin)]
    known = [(side, margin) for side, margin in margins if margin is not None]
    said = (
        f"the ids agree for {found.at - 1} of {length} tokens; token {found.at} is {found.theirs} for "
        f"{theirs.runtime} and {found.ours} for {ours.runtime}"
    )
    if not known or tolerance is None:
        return Finding("UNPROVEN", f"{said}, and no scores show how close they are")
    preferring = ", ".join(f"{side.runtime} prefers {margin.preferred}" for side, margin in known)
    together = change_of_odds(found)
    if together > tolerance.blamed.odds:
        allowed = f"honest engines take different tokens up to {tolerance.blamed.odds:.3g} nats in all"
        return Finding("WRONG", f"{said}: {preferring}, and {allowed}")
    near = tolerance.allowed.odds
    if together > near:
        raised = _is_raised(tolerance) and together > _by_default(tolerance)
        because = f", because {_apart(tolerance)}" if raised else ""
        allowed = f"in all more than the {near:.3g} nats of a near-tie, and too little to call it wrong{because}"
        return Finding("UNPROVEN", f"{said}: {preferring}, {allowed}")
    if any(margin.at_least for _, margin in known):
        unlisted = "the other token is not listed, so that it may be a near-tie or far from one"
        return Finding("UNPROVEN", f"{said}: {preferring}; {unlisted}")
    tie = f"a near-tie ({preferring}; up to {near:.3g} nats in all is one)"
    if len(known) == len(margins):
        return Finding("EQUIVALENT", f"{said}, {tie}")
    silent = next(side for side, margin in margins if margin is None)
    return Finding("UNPROVEN", f"{said}, {tie}, but {silent.not_scored}")


def change_of_odds(found: FirstDifference) -> float:
    """By how many nats the odds of the two tokens at a flip changed from side to side, as far as is known: a side that
    prefers the other's token changes nothing."""
    return sum(max(0.0, margin.nats) for margin in (found.their_margin, found.our_margin) if margin is not None)


def of_own_choice(found: OwnChoice | None, side: Side, near: Near) -> Finding | None:
    """A runtime that generated a token that its own scores put far below a different one did not take the likeliest:
    it sampled, its cache was stale, or its stream is faulty. Other runtimes don't excuse it."""
    if found is None or found.margin.nats <= near.passes:
        return None
    said = (
        f"{side.runtime} generated {found.chosen} as token {found.token}, and its own scores prefer {found.preferred} "
        f"by {found.margin}"
    )
    if found.margin.nats > near.blamed:
        return Finding("WRONG", f"{said}: it did not take the likeliest token", alone=True)
    return Finding("UNPROVEN", f"{said}, more than the {near.passes:.3g} nats of a near-tie", alone=True)


def of_texts(found: TextsCompared, theirs: Side, ours: Side) -> Finding:
    if found.agree:
        if found.same == found.longest:
            said = f"all {found.same} {found.unit}s" if found.same > 1 else f"the only {found.unit}"
        else:
            said = f"the first {found.same} of {plural(found.longest, found.unit)}"
        return Finding("UNPROVEN", f"the texts agree for {said}", acceptable=True)
    if found.at is not None:
        said = f"the texts differ from {found.unit} {found.at} on ({found.theirs!r} and {found.ours!r})"
        return Finding("UNPROVEN", said)
    shorter, longer = (theirs, ours) if found.theirs_shorter else (ours, theirs)
    said = f"the texts agree for {plural(found.same, found.unit)}, where that of {shorter.runtime} ends"
    if found.theirs_shorter and (theirs.ended or theirs.met_end):
        # Only where the generation is known to have gone on may an honest runtime have printed what follows.
        went_on = theirs.met_end and not theirs.shows_end and not theirs.ended
        return Finding("UNPROVEN", f"{said} at its end token; {longer.runtime} printed more", acceptable=went_on)
    return Finding("UNPROVEN", f"{said}; that of {longer.runtime} has {found.longest}")


def grows(found: Distances) -> bool:
    """Whether the distance grows with position, by more than chance."""
    return found.grows_p is not None and found.grows_p < BY_CHANCE and found.late_kl >= GROWS * found.early_kl


def of_distances(found: Distances, largest: float, tolerance: Tolerance, runtime: str) -> Finding:
    """`largest`: |Δ log p| over all that a side reported."""
    if largest <= PRINTED * 1.01:
        return Finding(
            "IDENTICAL", f"the log-probabilities are equal in all printed digits at {found.positions} positions"
        )
    mean, p99, delta = (format_nats(nats, 3) for nats in (found.mean_kl, found.p99_kl, found.largest_delta))
    said = (
        f"mean KL {mean} nats, 99th percentile {p99}, largest |Δ log p| {delta}, the same likeliest token at "
        f"{found.same_top:.1%} of {found.positions} positions"
    )
    times = multiple(found, tolerance.allowed)
    if grows(found) and found.late_kl > tolerance.allowed.mean_kl:
        early, late = (format_nats(kl, 3) for kl in (found.early_kl, found.late_kl))
        halves = f"mean KL {early} in the first half, {late} in the second"
        grown = f"{said}; it grows with position: {halves}"
        if max(found.late_kl / tolerance.blamed.mean_kl, multiple(found, tolerance.blamed)) > 1:
            return Finding("DRIFT", grown)
        return Finding("UNPROVEN", f"{grown}, and too little to call it drift")
    if times <= 1 and found.outside > MOST_OUTSIDE:
        outside = f"a probability of {found.outside:.2g} lies outside the tokens that both sides list"
        return Finding("UNPROVEN", f"{said}: {outside}, which is too much to tell")
    if times <= 1:
        return Finding("EQUIVALENT", f"{said}: within the tolerance{_references(times, tolerance, runtime)}")
    said += f": {format_times(times, 3)} times the tolerance"
    if multiple(found, tolerance.blamed) > 1:
        return Finding("DRIFT", said)
    because = f", because {_apart(tolerance)}" if _is_raised(tolerance) and times > BLAMED / PASSES else ""
    doubt = _references(times, tolerance, runtime) or f", and too little to call it drift{because}"
    return Finding("UNPROVEN", said + doubt)


def _is_raised(tolerance: Tolerance) -> bool:
    """Whether what is called drift begins later than by the default, because other runtimes lie apart."""
    if tolerance.references is None:
        return False
    raised = scaled(tolerance.references, BLAMED)
    return raised.delta >= tolerance.blamed.delta or raised.p99_kl >= tolerance.blamed.p99_kl


def _by_default(tolerance: Tolerance) -> float:
    """The nats of a flip above which it is wrong where no other runtime shows more."""
    return BLAMED * tolerance.floor.odds


def _apart(tolerance: Tolerance) -> str:
    """By how much the others that lie farthest apart do."""
    assert tolerance.references is not None, "others scored the sequence"
    spread = multiple(tolerance.references, tolerance.allowed)
    return f"{tolerance.farthest} differ from each other by {format_times(spread, 3)} times of it"


def _references(times: float, tolerance: Tolerance, runtime: str) -> str:
    """Where the other runtimes disagree with each other more than the judged one does with the baseline."""
    if tolerance.references is None:
        return ""
    spread = multiple(tolerance.references, tolerance.allowed)
    if spread <= 1 or spread <= times:
        return ""
    more = f"they disagree more than {runtime} does with the baseline, and one of them may be at fault"
    return f", but {_apart(tolerance)}: {more}"


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    order: tuple[OutputKind, ...] = ("WRONG", "DRIFT", "UNPROVEN", "EQUIVALENT", "IDENTICAL")
    return sorted(findings, key=lambda found: order.index(found.verdict))
