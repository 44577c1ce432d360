"""The exact arm: the same weights dequantised to F32, computed in F32 throughout by one or two engines. How well it is
known, and how far each runtime lies from it. Pure.

Its members are computed by the programs of runtimes of the run, so that it may have a fault of such a program. Where
two engines agree, it has none that one of them alone has, whoever else is of that engine. What both have in common is
the F32 file.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise

from parity.outputs.distances import same_sequence
from parity.outputs.engines import Engine, akin, engine_of
from parity.outputs.findings import of_distances
from parity.outputs.floors import Floor, floor_of, of_f32
from parity.outputs.missing import last_try, why_missing
from parity.outputs.sides import Compared, Side
from parity.outputs.tolerance import BLAMED, PASSES, largest_of, multiple, scaled, span_of, tolerance_of
from parity.reading.facts import facts_in
from parity.records import ExactArm, ExactDistance, Nearness, OutputKind, Scored, Span, Tolerance, Trial
from parity.units import format_times

IN_F32 = "the sequence in F32"

_NEARNESS: Mapping[OutputKind, Nearness] = {"EQUIVALENT": "near", "UNPROVEN": "between", "DRIFT": "far"}


@dataclass(frozen=True)
class Arm:
    """`members`: runtime → its trial of the exact arm, of those that answered for the very sequence; the first is what
    distances are from. `silent`: why others did not."""

    compared: Compared
    members: Mapping[str, Trial]
    silent: tuple[str, ...]

    @cached_property
    def scores(self) -> Sequence[Scored]:
        return next(iter(self.members.values())).scores

    @cached_property
    def resolution(self) -> Span | None:
        """How far its members lie apart; None where it has one."""
        pairs = combinations([trial.scores for trial in self.members.values()], 2)
        spans = [span_of(self.compared.apart(one, other)) for one, other in pairs]
        return largest_of(spans) if spans else None

    @cached_property
    def _own_floor(self) -> Floor:
        """What sums in F32 differ by, as its members compute them."""
        identities = [trial.identity for trial in self.members.values()]
        return of_f32([facts_in(identity.settings) for identity in identities if identity is not None])

    @cached_property
    def contradiction(self) -> str | None:
        """That two members differ by more than sums in F32 can."""
        most = scaled(self._own_floor.over(len(self.scores)), BLAMED)
        if self.resolution is None or multiple(self.resolution, most) <= 1:
            return None
        times = format_times(multiple(self.resolution, most), 3)
        return (
            f"its members {' and '.join(self.members)} differ by {times} times what is called drift between "
            "computations in F32, so that one of them is at fault"
        )

    @cached_property
    def engines(self) -> Mapping[str, Engine]:
        """Member → what tells its engine."""
        libraries = self.compared.libraries
        return {name: engine_of(trial.identity, libraries.get(name)) for name, trial in self.members.items()}

    @cached_property
    def of_one_engine(self) -> str | None:
        """That no two members are known to be of different engines."""
        if any(not akin(*pair) for pair in combinations(self.engines.values(), 2)):
            return None
        members = " and ".join(self.members)
        return f"as far as is known, it is computed by one engine ({members}), and has its faults: it decides nothing"

    def outvoted(self, sides: Sequence[Side]) -> str | None:
        """That two other runtimes agree with one of the sides, and all three are far from it. They are of two engines,
        and none of a member's: two members may have a fault in common, such as the file's."""
        engines, judged = self.compared.engines, {side.runtime for side in sides}
        free = [name for name in self.compared.scores if not any(akin(engines[name], e) for e in self.engines.values())]
        witnesses = [name for name in free if name not in judged and self._is_far(name)]
        for side in sides:
            agreeing = [name for name in witnesses if self._is_far(side.runtime) and self._agree(side.runtime, name)]
            for pair in combinations(agreeing, 2):
                if not akin(*(engines[name] for name in pair)):
                    return (
                        f"{' and '.join(pair)} agree with {side.runtime}, and all are far from it: it decides nothing"
                    )
        return None

    def _is_far(self, runtime: str) -> bool:
        found = self.distance(runtime)
        return found is not None and found.nearness == "far"

    def _agree(self, one: str, other: str) -> bool:
        """Whether two that scored the sequence lie within what honest ones do."""
        apart = self.compared.apart(self.compared.scores[one], self.compared.scores[other])
        sides = [self.compared.sides[name].identity for name in (one, other)]
        return multiple(apart, scaled(floor_of(self.compared.quantisation, sides).span, PASSES)) <= 1

    def distance(self, runtime: str) -> ExactDistance | None:
        """None where the runtime did not score the sequence."""
        ours = self.compared.scores.get(runtime)
        if ours is None:
            return None
        found = self.compared.apart(self.scores, ours)
        tolerance = self._tolerance(self.compared.sides[runtime])
        # It is `near` only where the lists hold enough to tell, and where the distance does not grow.
        verdict = of_distances(found, math.inf, tolerance, runtime).verdict
        return ExactDistance(
            runtime=runtime,
            distances=found,
            times=multiple(found, tolerance.allowed),
            nearness=_NEARNESS[verdict],
        )

    def unit(self, *sides: Side) -> Span:
        """What distances of several runtimes from the arm are measured in alike."""
        floors = [self.floor(side).span for side in sides]
        return largest_of([*floors, *([self.resolution] if self.resolution is not None else [])])

    def floor(self, side: Side) -> Floor:
        """What an honest runtime of this numeric class may differ by from the arm, whose own class counts too."""
        theirs = floor_of(self.compared.quantisation, (side.identity, side.score_identity or side.identity))
        return max(theirs, self._own_floor, key=lambda floor: floor.span.delta)

    def _tolerance(self, side: Side) -> Tolerance:
        """For one side alone. The distance between the members raises what passes only where neither is of the side's
        engine: what such a one has in common with it may be a fault."""
        scored = len(self.compared.scores[side.runtime])
        found = tolerance_of(self.floor(side), {}, len(self.scores), compared=scored, unknown=side.blamed_beyond)
        if self.resolution is None:
            return found
        blamed = largest_of([found.blamed, scaled(self.resolution, BLAMED)])
        engine = self.compared.engines[side.runtime]
        if any(akin(engine, member) for member in self.engines.values()):
            return found.but(blamed=blamed)
        return found.but(blamed=blamed, allowed=largest_of([found.allowed, scaled(self.resolution, PASSES)]))

    def record(self, doubt: str | None) -> ExactArm:
        hashes = {trial.identity.weights_sha256 for trial in self.members.values() if trial.identity is not None}
        found = [self.distance(runtime) for runtime in self.compared.scores]
        return ExactArm(
            members=tuple(self.members),
            weights_sha256=next(iter(hashes)) if len(hashes) == 1 else None,
            silent=self.silent,
            resolution=self.resolution,
            resolution_by_quarter=self._quarters if self.resolution is not None else (),
            doubt=doubt,
            distances=tuple(distance for distance in found if distance is not None),
        )

    @cached_property
    def _quarters(self) -> tuple[float, ...]:
        count = len(self.scores)
        edges = [round(count * k / 4) for k in range(5)]
        places = [range(begin, end) for begin, end in pairwise(edges) if end > begin]
        pairs = list(combinations([trial.scores for trial in self.members.values()], 2))
        return tuple(max(abs(a[k].logprob - b[k].logprob) for a, b in pairs for k in quarter) for quarter in places)


def arm_of(compared: Compared) -> Arm | str | None:
    """The exact arm; why there is none though it was asked for; or None where it was not."""
    if not compared.exact:
        return compared.no_exact
    if not compared.scores:
        return "no runtime scored a sequence that it could be compared over"
    like = max(compared.scores.values(), key=len)
    names = dict.fromkeys(trial.runtime for trial in compared.exact)
    tries = {name: [t for t in compared.exact if t.runtime == name] for name in names}
    members = {name: trial for name, found in tries.items() if (trial := last_try(found)) is not None}
    reasons = {name: reason for name, trial in members.items() if (reason := _unfit(trial, like)) is not None}
    unasked = {name: why for (name, kind, _), why in compared.not_begun.items() if kind == "exact"}
    not_begun = (why_missing(name, None, why, IN_F32) for name, why in unasked.items() if name not in members)
    silent = (*reasons.values(), *(found.said for found in not_begun if found is not None))
    fit = {name: trial for name, trial in members.items() if name not in reasons}
    return Arm(compared, fit, silent) if fit else "; ".join(silent)


def _unfit(trial: Trial, like: Sequence[Scored]) -> str | None:
    """Why a trial is no member: it failed, did not run the exact weights on the CPU, or scored something else."""
    if trial.failure is not None:
        missing = why_missing(trial.runtime, trial, None, IN_F32)
        return missing.said if missing is not None else None
    if trial.departures:
        return f"{trial.runtime} is no member: {trial.departures[0].sentence}"
    same = same_sequence(trial.scores, like)
    return None if same else f"{trial.runtime} scored a different sequence in F32"
