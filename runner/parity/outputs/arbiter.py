"""What the exact arm decides between a runtime and the baseline. Pure.

The distances of the two from each other say that one of them drifts, and not which. How far each lies from the exact
arm does. `near`: within the tolerance for its numeric class; `far`: beyond what is called drift; `between`: neither.
*Farther*: more than one and a half times as far as the other, for figures vary by that much.

| by the pair | this runtime | the baseline | verdict |
| --- | --- | --- | --- |
| IDENTICAL | any | any | stays: a fault is one of both |
| EQUIVALENT | far, and farther | near | DRIFT |
| EQUIVALENT | otherwise | | stays; a side that is far is named |
| UNPROVEN | far, and farther | near | DRIFT |
| UNPROVEN | any | far | stays, naming the baseline |
| UNPROVEN | near | near | EQUIVALENT |
| UNPROVEN | near or between, and not farther at all | near or between | EQUIVALENT: as right as the baseline |
| UNPROVEN | otherwise | | stays |
| DRIFT | not near, and farther | any | DRIFT, naming this runtime |
| DRIFT | any | not near, and farther | UNPROVEN, naming the baseline |
| DRIFT | otherwise | | UNPROVEN: both are near, or about as far |
| DRIFT of one engine that is set up alike | any | farther | UNPROVEN, naming the baseline |
| DRIFT of one engine that is set up alike | otherwise | | DRIFT |

UNPROVEN stands here for distances between what passes and what is called drift; one for any other reason stays. Of the
cells that turn to a pass, none has a side that is far, or a runtime that is beyond the tolerance by more than the
baseline. Nothing here is acceptable to a declaration.

An arm of one engine has the faults of that engine, which a side of any name may share, and one that two independent
witnesses contradict has a fault of its own. Then every verdict stays.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from parity.outputs.exact import Arm
from parity.outputs.findings import Finding, Near
from parity.outputs.sides import Side
from parity.outputs.tolerance import BLAMED, PASSES, multiple, span_of
from parity.records import Distances, ExactArm, ExactDistance, Nearness, OutputKind, Span
from parity.units import format_nats, format_times

Decision = Literal["stays", "ours", "drift", "theirs", "equivalent", "undecided"]
"""`ours`: it stays, and the runtime is named. `drift`: the runtime is named where nothing was decided. `theirs`: the
baseline is named. `equivalent`: the runtime is as right as the baseline. `undecided`: neither is known to drift."""


def decide(
    pair: OutputKind, ours: Nearness, theirs: Nearness, times_ours: float, times_theirs: float, *, alike: bool = False
) -> Decision:
    """The table above. `times_ours` and `times_theirs`: the two distances from the arm in one unit. `alike`: one engine
    that is set up alike on both sides, which the tolerance between different ones does not excuse."""
    ours_farther, theirs_farther = times_ours > PASSES * times_theirs, times_theirs > PASSES * times_ours
    if alike:
        if pair != "DRIFT":
            return "stays"
        return "theirs" if theirs_farther else "ours" if ours_farther else "stays"
    if pair in ("EQUIVALENT", "UNPROVEN") and (ours, theirs) == ("far", "near"):
        return "drift" if ours_farther else "stays"
    if pair == "UNPROVEN":
        if theirs == "far":
            return "theirs" if ours != "far" else "stays"
        passes = (ours, theirs) == ("near", "near") or (ours != "far" and times_ours <= times_theirs)
        return "equivalent" if passes else "stays"
    if pair == "DRIFT":
        if ours != "near" and ours_farther:
            return "ours"
        return "theirs" if theirs != "near" and theirs_farther else "undecided"
    return "stays"


@dataclass(frozen=True)
class Arbiter:
    """The exact arm beside one pair. `apart`: the distances of the two from each other; None where a side scored
    nothing. `alike`: they are one engine that is set up alike."""

    arm: Arm
    theirs: Side
    ours: Side
    apart: Distances | None
    alike: bool

    @cached_property
    def doubt(self) -> str | None:
        """Why it decides nothing of a pair that differs."""
        return self.fault or self._too_coarse or self.arm.of_one_engine

    @property
    def decides(self) -> bool:
        return self.doubt is None

    @cached_property
    def fault(self) -> str | None:
        """What shows that the arm itself is at fault."""
        return self.arm.contradiction or self.arm.outvoted((self.theirs, self.ours))

    @cached_property
    def _too_coarse(self) -> str | None:
        resolution = self.arm.resolution
        separates = self.apart or (self._theirs.distances if self._theirs is not None else None)
        if resolution is None or separates is None:
            return None
        if multiple(resolution, self.unit) < multiple(span_of(separates), self.unit):
            return None
        return "its members lie as far apart as the two that are judged"

    @cached_property
    def unit(self) -> Span:
        return self.arm.unit(self.theirs, self.ours)

    @cached_property
    def _ours(self) -> ExactDistance | None:
        return self.arm.distance(self.ours.runtime)

    @cached_property
    def _theirs(self) -> ExactDistance | None:
        return self.arm.distance(self.theirs.runtime)

    def _decision(self, pair: OutputKind) -> Decision:
        ours, theirs = self._ours, self._theirs
        if ours is None or theirs is None or not self.decides:
            return "stays"
        times = [multiple(found.distances, self.unit) for found in (ours, theirs)]
        return decide(pair, ours.nearness, theirs.nearness, *times, alike=self.alike)

    def near(self, position: int) -> Near:
        """By how much it may prefer a token that a side of honest computation did not take."""
        longer = [self.arm.floor(side).over(position).odds for side in (self.theirs, self.ours)]
        return Near(PASSES * self.unit.odds, BLAMED * max(self.unit.odds, *longer))

    @cached_property
    def names_baseline(self) -> bool:
        """Whether the baseline is the one that drifts, so that what differs from it is not held against a runtime."""
        if self._ours is not None:
            return self._decision("DRIFT") == "theirs"
        far = self._theirs is not None and self._theirs.nearness == "far"
        return far and self.decides

    @property
    def drifts(self) -> str | None:
        """The one of the two that drifts; None where it names neither."""
        return {"ours": self.ours.runtime, "theirs": self.theirs.runtime}.get(self._decision("DRIFT"))

    def of_distances(self, pair: Finding, *, between: bool) -> Finding:
        """The verdict on the distances of the two, with what the arm makes of it. `between`: they lie between what
        passes and what is called drift by the default."""
        kind: OutputKind = pair.verdict
        said = f"{pair.sentence}; {self.where}" if self.where else pair.sentence
        decision = self._decision(kind)
        if kind == "UNPROVEN" and not between and decision != "drift":
            # Where lists hold too little, or only other runtimes' disagreement excuses it, it can't become a pass.
            decision = "stays"
        match decision:
            case "drift":
                return Finding("DRIFT", f"{said}: {self.ours.runtime} is the one that drifts")
            case "ours":
                return replace(pair, sentence=f"{said}: {self.ours.runtime} is the one that drifts")
            case "theirs":
                return Finding("UNPROVEN", f"{said}: {self.theirs.runtime}, the baseline, is the one that drifts")
            case "equivalent":
                return Finding("EQUIVALENT", f"{said}: {self.ours.runtime} is as right as the baseline")
            case "undecided":
                return Finding("UNPROVEN", f"{said}: neither is known to be the one that drifts")
            case _:
                return replace(pair, sentence=f"{said}{self._farther if kind == 'DRIFT' else self._warning(kind)}")

    def record(self, differs: bool) -> ExactArm:
        """`differs`: there is something to decide, which it may not be able to."""
        return self.arm.record(self.doubt if differs else self.fault)

    @property
    def where(self) -> str:
        """Where both lie, for a sentence."""
        if self._ours is None or self._theirs is None:
            return ""
        theirs, ours = (_place(found) for found in (self._theirs, self._ours))
        return f"from the exact arm, {theirs}, and {ours}"

    @property
    def _farther(self) -> str:
        """Which of two that differ lies farther from an arm that decides nothing: it need not be the one at fault."""
        if self._ours is None or self._theirs is None or self.fault is not None:
            return ""
        theirs, ours = (multiple(found.distances, self.unit) for found in (self._theirs, self._ours))
        if max(theirs, ours) <= PASSES * min(theirs, ours):
            return ""
        return f": {self.ours.runtime if ours > theirs else self.theirs.runtime} lies farther from it"

    def _warning(self, kind: OutputKind) -> str:
        far = [found.runtime for found in (self._theirs, self._ours) if found is not None and found.nearness == "far"]
        if kind not in ("IDENTICAL", "EQUIVALENT") or not far or self.fault is not None:
            return ""
        if len(far) > 1:
            return ": they agree, and both are far from it, so that they may share a fault"
        return f": they agree, and {far[0]} is far from it"


def _place(found: ExactDistance) -> str:
    return (
        f"{found.runtime} is at mean KL {format_nats(found.distances.mean_kl, 3)} nats and |Δ log p| "
        f"{format_nats(found.distances.largest_delta, 3)} ({format_times(found.times)} times its tolerance)"
    )
