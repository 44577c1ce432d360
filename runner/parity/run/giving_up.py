"""When a run stops trying: cells that fail each time, a baseline that is lost, gates that no trial can decide. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from parity.config import Config
from parity.gates import Gate
from parity.reading.outcome import NEVER_RAN
from parity.records import Cell, NotRun, Trial, by_cell
from parity.run.due import Due, Undecided, interrupted, nothing_open
from parity.run.schedule import planned


@dataclass(frozen=True)
class Absent:
    """A runtime that can't run here at all. `at`: what showed it."""

    at: Literal["unavailable", "build"]
    reason: str
    remedy: str | None = None


@dataclass(frozen=True)
class GivenUp:
    """Why a cell gets no more trials."""

    kind: Literal["unavailable", "build", "given up"]
    reason: str
    remedy: str | None = None


def given_up(
    config: Config, trials: Sequence[Trial], absent: Mapping[str, Absent], *, unset: Sequence[str] = ()
) -> dict[Cell, GivenUp]:
    """The cells that are not tried any more, each with the first reason that holds."""
    cells = planned(config, unset)
    ran = by_cell(trials)
    lost: dict[Cell, GivenUp] = {}
    for cell in cells:
        if (gone := absent.get(cell[2])) is not None:
            lost[cell] = GivenUp(gone.at, gone.reason, gone.remedy)
        elif (reason := _always_fails(config, ran.get(cell, ()))) is not None:
            lost[cell] = GivenUp("given up", reason)
    for model, test, runtime in cells:
        base = (model, test, config.baseline)
        cell = (model, test, runtime)
        if runtime != config.baseline and base in lost and cell not in lost and not _judged_alone(config, cell):
            reason = f"the baseline {config.baseline} is lost on {test}, and there is nothing to compare with"
            lost[cell] = GivenUp("given up", reason)
    if _nothing_to_decide(config, cells, lost):
        for cell in cells:
            lost.setdefault(cell, GivenUp("given up", "no required gate can be decided by more trials"))
    return lost


def not_run(
    config: Config,
    trials: Sequence[Trial],
    lost: Mapping[Cell, GivenUp],
    *,
    unset: Sequence[str] = (),
    undecided: Undecided = nothing_open,
) -> Iterator[NotRun]:
    """Each cell that the schedule has trials left for, with the reason. Without one, the run was interrupted."""
    left = Counter(slot.cell for slot in Due(config, trials, unset, undecided=undecided).slots)
    done = Counter(trial.cell for trial in trials if not interrupted(trial))
    for cell in planned(config, unset):
        if not left[cell]:
            continue
        ran = done[cell]
        why = lost.get(cell)
        yield NotRun(
            model=cell[0],
            test=cell[1],
            runtime=cell[2],
            kind=why.kind if why else "interrupted",
            planned=ran + left[cell],
            ran=ran,
            reason=why.reason if why else "the run was interrupted",
            remedy=why.remedy if why else None,
        )


def _always_fails(config: Config, of_cell: Sequence[Trial]) -> str | None:
    """Of a cell whose warm-up and first measured trial failed in the same way: a third try would tell nothing new."""
    mine = [t for t in of_cell if t.task == "generate" and t.kind != "whole" and not interrupted(t)]
    kinds = {trial.failure.kind if trial.failure else None for trial in mine}
    # Attempts at one place are one try: a busy machine makes parity try again.
    enough = len({trial.place for trial in mine}) >= 2 and any(not trial.warmup for trial in mine)
    if not enough or len(kinds) != 1 or None in kinds:
        return None
    named = "warm-up and first measured trial" if config.rounds.warmup else "first trials"
    failure = mine[-1].failure
    cause = f": {failure.message}" if failure is not None and failure.kind in NEVER_RAN else ""
    return f"its {named} failed in the same way ({kinds.pop()}), so it was not tried again{cause}"


def _nothing_to_decide(config: Config, cells: Mapping[Cell, int], lost: Mapping[Cell, GivenUp]) -> bool:
    """Whether required gates judge cells of this run, and all of these are lost."""
    judged = [cell for gate in config.gates if gate.required for cell in cells if _judges(config, gate, cell)]
    return judged != [] and all(cell in lost for cell in judged)


def _judged_alone(config: Config, cell: Cell) -> bool:
    """Whether required gates judge a cell, and none on its test compares with the baseline."""
    on_test = [gate for gate in config.gates if gate.required and (gate.tests is None or cell[1] in gate.tests)]
    return any(_judges(config, gate, cell) for gate in on_test) and not any(gate.compares for gate in on_test)


def _judges(config: Config, gate: Gate, cell: Cell) -> bool:
    return cell[2] in (gate.runtimes or config.implementations) and (gate.tests is None or cell[1] in gate.tests)
