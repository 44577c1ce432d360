"""One implementation beside the baseline: which scores apply to both, and what their differences are held to. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from parity.outputs.arbiter import Arbiter
from parity.outputs.continuation import scores_along, smallest_lead, worst_choice
from parity.outputs.distances import in_common
from parity.outputs.exact import Arm, arm_of
from parity.outputs.findings import Finding, Near, grows, of_own_choice
from parity.outputs.floors import Floor, floor_of
from parity.outputs.rounds import of_varying, ties_of, varying
from parity.outputs.sides import Compared, Sequenced, Side
from parity.outputs.tolerance import BLAMED, PASSES, multiple, tolerance_alike, tolerance_of
from parity.reading.facts import facts_in
from parity.reading.sampling import temperature_in
from parity.records import Distances, Identity, Scalar, Scored, Tolerance

OF_CANDLE = ("rope_table_dtype", "token_embedding", "cpu_avx2", "cpu_f16c", "cpu_neon")
"""Settings that programs built with Candle report of how they compute."""

OF_NO_NUMBER = {"seed", "affinity", "temperature", "top_k", "top_p"}
"""Settings that change no logit."""


@dataclass(frozen=True)
class Pair:
    """What the rungs are judged by, each computed once."""

    compared: Compared
    theirs: Side
    ours: Side

    @property
    def sequence(self) -> Sequenced | None:
        return self.compared.sequence

    @property
    def scored(self) -> Mapping[str, Sequence[Scored]]:
        """Runtime → its scores, of those that scored the sequence; the baseline first."""
        return self.compared.scores

    def sequence_by(self, side: Side) -> Sequenced | None:
        """The sequence, if a side scored it."""
        return self.sequence if side.runtime in self.scored else None

    @cached_property
    def floor(self) -> Floor:
        sides = (self.theirs, self.ours)
        scoring = [side.score_identity for side in sides if side.score_identity is not None]
        return floor_of(self.compared.quantisation, [*(side.identity for side in sides), *scoring])

    @cached_property
    def both_scored(self) -> tuple[list[Scored], list[Scored]] | None:
        """The baseline's scores and the implementation's of the sequence, at the positions that both scored; None where
        there are none."""
        one, other = (self.scored.get(side.runtime) for side in (self.theirs, self.ours))
        found = in_common(one, other) if one is not None and other is not None else ([], [])
        return found if found[0] else None

    @cached_property
    def tolerance(self) -> Tolerance | None:
        """None where nothing was scored."""
        if self.sequence is None or not self.scored:
            return None
        if self.alike:
            return tolerance_alike(self.floor.span, exact=not self.on_gpu)
        others = [name for name in self.scored if name != self.ours.runtime]
        apart = self.compared.apart
        pairs = {(a, b): apart(self.scored[a], self.scored[b]) for a, b in combinations(others, 2)}
        positions, few = len(self.sequence.ids) - 1, len(self.both_scored[0]) if self.both_scored is not None else None
        unknown = [*self.theirs.blamed_beyond, *self.ours.blamed_beyond]
        return tolerance_of(self.floor, pairs, positions, self._kin, few, unknown)

    @cached_property
    def _kin(self) -> frozenset[str]:
        """The runtimes that are, or may be, the same engine as the judged one."""
        return self.compared.kin(self.ours.runtime)

    @cached_property
    def distances(self) -> Distances | None:
        """None where a side did not score the sequence."""
        if self.both_scored is None:
            return None
        return self.compared.apart(self.scored[self.theirs.runtime], self.scored[self.ours.runtime])

    @cached_property
    def between(self) -> bool:
        """Whether the distances are beyond what passes, and no drift by the default, whatever other runtimes show."""
        if self.distances is None or self.tolerance is None:
            return False
        found, allowed = self.distances, self.tolerance.allowed
        beyond = multiple(found, allowed) > 1 or (grows(found) and found.late_kl > allowed.mean_kl)
        return beyond and multiple(found, tolerance_of(self.floor, {}, found.positions).blamed) <= 1

    @cached_property
    def arm(self) -> Arm | str | None:
        """The exact arm; why there is none though it was asked for; or None where it was not."""
        return arm_of(self.compared)

    @cached_property
    def arbiter(self) -> Arbiter | None:
        """What the exact arm says of the two."""
        if not isinstance(self.arm, Arm):
            return None
        return Arbiter(self.arm, self.theirs, self.ours, self.distances, self.alike)

    @cached_property
    def alike(self) -> bool:
        """One program of one version under equal settings, of which nothing is declared to differ."""
        one, other = self.theirs.identity, self.ours.identity
        if one is None or other is None or None in (one.runtime, one.version):
            return False
        scoring = [side.score_identity for side in (self.theirs, self.ours)]
        scored_alike = None in scoring or len({str(_set_up(found)) for found in scoring if found is not None}) == 1
        declared = self.ours.declared.keys() - {"outputs"}
        return not declared and _set_up(one) == _set_up(other) and scored_alike

    @cached_property
    def library(self) -> str | None:
        """The libraries that both are built with, of which one build gives one text: where both take the likeliest
        token on a CPU, and all is known that decides in which numbers and order it is computed, and is equal."""
        built = [self.compared.libraries.get(side.runtime) for side in (self.theirs, self.ours)]
        ran = [side.identity for side in (self.theirs, self.ours)]
        if not built[0] or built[0] != built[1] or None in ran or self.fault is not None:
            return None
        if any(side.not_greedy or temperature_in(side.identity) != 0 for side in (self.theirs, self.ours)):
            return None
        found = [_numerics(identity) for identity in ran if identity is not None]
        if None in found[0].values() or found[0] != found[1] or found[0]["device"] != "cpu":
            return None
        return " and ".join(f"{name} {version}" for name, version in built[0].items())

    @property
    def on_gpu(self) -> bool:
        """Whether the implementation adds up in an order that may change from run to run."""
        settings = self.ours.identity.settings if self.ours.identity is not None else {}
        return facts_in(settings).get("device", "cpu") != "cpu"

    @cached_property
    def fault(self) -> str | None:
        """Why a difference between the two says nothing of the implementation."""
        unsound = (side.unsound for side in (self.theirs, self.ours))
        return next((said for said in unsound if said is not None), self.other_model or self.baseline_at_fault)

    @cached_property
    def other_model(self) -> str | None:
        """That the implementation loaded a model of its own with different weights, which answer differently."""
        ran = [side.identity.weights_sha256 if side.identity else None for side in (self.theirs, self.ours)]
        if self.ours.runtime not in self.compared.own_models or ran[0] == ran[1]:
            return None
        shown = " and ".join("not shown" if sha256 is None else sha256[:12] for sha256 in ran)
        return f"the two sides ran different weights ({shown}), so that their outputs can't be compared"

    @cached_property
    def baseline_at_fault(self) -> str | None:
        """Why the baseline's own continuation is none to compare with."""
        if (varied := varying(self.theirs, ())) is not None:
            return varied.sentence
        own = self._own_choice(self.theirs)
        return own.sentence if own is not None and own.verdict == "WRONG" else None

    def alone(self) -> Iterator[Finding]:
        """What the implementation's own output shows, whatever the baseline's is."""
        along = scores_along(self.ours, self.sequence_by(self.ours))
        if (varied := varying(self.ours, along)) is not None:
            yield of_varying(varied, self._near(along), self._excuse_of_rounds or self._untold(along))
        if (own := self._own_choice(self.ours)) is not None:
            yield own

    @property
    def _excuse_of_rounds(self) -> str | None:
        """Why rounds that differ are not wrong, where that is known without the runtime's own scores."""
        if self.on_gpu and not self.compared.asked:
            return "which a GPU may do at a near-tie, and nothing was scored"
        if self.ours.ids:
            return None
        temperature = temperature_in(self.ours.identity)
        return f"which a temperature of {temperature:g} allows" if temperature else ties_of(self.compared, self.ours)

    def _untold(self, along: Sequence[Scored]) -> str | None:
        """That what would show whether its rounds part at a near-tie is missing, and not by a fault of its own."""
        if self.ours.ids:
            missing = [found.said for found in self.ours.missing if not found.by_itself and not along]
        else:
            missing = self.compared.missing_of_texts(self.ours.runtime)
        return f"and nothing shows how close the tokens were: {missing[0]}" if missing else None

    def _own_choice(self, side: Side) -> Finding | None:
        if side.not_greedy:
            return None
        of = self.sequence_by(side)
        return of_own_choice(worst_choice(side, of), side, self._near(side.own_scores or side.scores))

    def _near(self, along: Sequence[Scored]) -> Near:
        """By how far into the sequence they are: distances grow with that, and not with how many were scored."""
        return Near(PASSES * self.floor.span.odds, BLAMED * self.floor.over(along[-1].position if along else 0).odds)

    @cached_property
    def lead(self) -> float | None:
        """By how much the baseline prefers each of its tokens at least, where that rules out an honest flip of a greedy
        runtime that ran the same prompt ids; None otherwise."""
        if self.theirs.not_greedy or self.ours.not_greedy or self.fault is not None:
            return None
        if self.sequence is None or self.tolerance is None or self.theirs.runtime not in self.scored:
            return None
        lead = smallest_lead(self.theirs, self.sequence)
        return lead if lead is not None and lead > self.tolerance.blamed.odds else None


def _numerics(identity: Identity) -> dict[str, Scalar]:
    """What decides in which numbers and order two programs of one library compute; None where it is not known."""
    facts, features = facts_in(identity.settings), identity.settings.get("build_features")
    return {
        **{name: facts.get(name) for name in ("device", "threads", "kv_type")},
        **{name: identity.settings.get(name) for name in OF_CANDLE},
        "build_features": "none" if features == "" else features,
    }


def _set_up(identity: Identity) -> tuple[str | None, str | None, list[str], dict[str, Scalar]]:
    """All that a result may depend on; files by their hashes alone."""
    settings = {name: value for name, value in sorted(identity.settings.items()) if name not in OF_NO_NUMBER}
    return identity.runtime, identity.version, sorted(identity.programs.values()), settings
