"""What a run's records alone say of a fault: by which rung it shows, and where first. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from parity.errors import ParityError
from parity.explain import cell_named, cells_of
from parity.judging.outputs import compared_in
from parity.outputs.apart import Bound, divergence, first_apart
from parity.outputs.pair import Pair
from parity.outputs.sides import Side
from parity.outputs.tolerance import multiple, tolerance_of
from parity.records import Cell, OutputVerdict, Report, Rung, Scored
from parity.run.bisect.records import ShownBy


@dataclass(frozen=True)
class Case:
    """A cell whose outputs are at fault, with what both sides showed in the run."""

    cell: Cell
    verdict: OutputVerdict
    pair: Pair
    shown_by: ShownBy

    @property
    def theirs(self) -> Side:
        """The baseline."""
        return self.pair.theirs

    @property
    def ours(self) -> Side:
        return self.pair.ours

    @cached_property
    def scored(self) -> tuple[Sequence[Scored], Sequence[Scored]]:
        """Both sides' scores of one sequence; only where these show the fault."""
        assert self.pair.both_scored is not None, "both scored it"
        return self.pair.both_scored

    @cached_property
    def apart(self) -> tuple[tuple[Scored, Scored], Bound]:
        """The scores at the first position that shows it, and what they are held to."""
        tolerance = self.verdict.tolerance
        assert tolerance is not None, "where both sides scored, there is a tolerance"
        return first_apart(*self.scored, tolerance)

    @cached_property
    def bound_at_commits(self) -> Bound:
        """The same for other builds of the implementation, which are not held to what one build differs from itself
        by: where both sides were one, what lies between the two bounds decides nothing."""
        bound, sequence = self.apart[1], self.pair.sequence
        if not self.pair.alike or sequence is None:
            return bound
        table = tolerance_of(self.pair.floor, {}, len(sequence.ids) - 1)
        return bound.but(shows=max(bound.shows, table.blamed.p99_kl))

    @property
    def kl(self) -> float:
        """The divergence at that position."""
        return divergence(*self.apart[0])

    @property
    def context(self) -> tuple[int, ...]:
        """All ids of the sequence up to and with the one at that position."""
        assert self.pair.sequence is not None, "it was scored"
        return self.pair.sequence.ids[: self.apart[0][0].position + 1]


def case_of(report: Report, asked: str) -> Case:
    """The cell that the user named.

    Raises:
        ParityError: there is no such cell, or nothing is wrong with its outputs that could be searched for.
    """
    cell = model, test, runtime = cell_named(asked, cells_of(report))
    name = "/".join(cell)
    if runtime == report.baseline:
        raise ParityError(f"{name} is the baseline's own cell; name the cell of an implementation")
    verdict = next((v for v in report.outputs if (v.model, v.test, v.runtime) == cell), None)
    if verdict is None:
        raise ParityError(
            f"{name}: nothing was judged of its outputs: a gate of the kind `outputs` must cover it, and both sides "
            "must have given a result"
        )
    compared = compared_in(report, model, test)
    pair = Pair(compared, compared.sides[report.baseline], compared.sides[runtime])
    return Case(cell, verdict, pair, _shown_by(verdict, name))


def _shown_by(verdict: OutputVerdict, name: str) -> ShownBy:
    """By the earliest rung that shows it at one place.

    Raises:
        ParityError: none does.
    """
    if not _is_at_fault(verdict):
        raise ParityError(
            f"{name}: its outputs are {verdict.verdict}, and a search needs DRIFT or WRONG, or distances beyond the "
            f"tolerance: {verdict.sentence}"
        )
    rungs: dict[str, Rung] = {rung.name: rung for rung in verdict.rungs}
    if rungs["prompt"].state == "differs":
        return "prompt"
    if rungs["scores"].state == "differs" and _is_beyond(verdict):
        return "scores"
    if verdict.first_difference is None:
        raise ParityError(
            f"{name}: no single position shows it, so that there is nothing to search: {verdict.sentence}"
        )
    return "ids" if verdict.first_difference.unit == "token" else "text"


def _is_at_fault(verdict: OutputVerdict) -> bool:
    return verdict.verdict in ("DRIFT", "WRONG") or (verdict.verdict == "UNPROVEN" and _is_beyond(verdict))


def _is_beyond(verdict: OutputVerdict) -> bool:
    """Whether the distances, or those of the second half, are beyond the tolerance."""
    found, tolerance = verdict.distances, verdict.tolerance
    if found is None or tolerance is None:
        return False
    return multiple(found, tolerance.allowed) > 1 or found.late_kl > tolerance.allowed.mean_kl
