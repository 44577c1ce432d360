"""Trials that score a short sequence, of both sides of a cell. One that is there is not run again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from parity.config import LoadedConfig
from parity.judging.intent import intent_of
from parity.outputs.apart import divergence
from parity.outputs.sides import Side
from parity.reading.facts import FACTS
from parity.records import Cell, ModelFacts, ScoreRequest, Slot, Trial
from parity.run.bisect.records import Apart
from parity.run.hashes import recorded_weights_sha256
from parity.run.performing import perform
from parity.run.prepared import Prepared
from parity.run.score import read_slot
from parity.run.session import Session

Ids = tuple[int, ...]


class StoppedError(Exception):
    """The search can't go on: a trial or a preparation gave no result. Its message says why."""


class InterruptedSearchError(StoppedError):
    """The user asked to stop."""


@dataclass
class Trials:
    """`session.folder` is a folder of their own. `prepared`: runtime → what its preparation came to. `declared`:
    runtime → the differences in facts that the config declares."""

    session: Session
    prepared: Mapping[str, Prepared]
    model: ModelFacts
    cell: Cell
    baseline: str
    declared: Mapping[str, Mapping[str, str]]
    done: dict[tuple[str, Ids, int], Trial] = field(default_factory=dict)

    def __post_init__(self) -> None:
        folder = self.session.folder
        for name, slot, transcript in folder.trials():
            job = transcript.head.job
            if job is None or job.score is None or slot.runtime not in self.prepared:
                continue
            hashes = partial(recorded_weights_sha256, folder)
            trial = read_slot(self.prepared[slot.runtime].adapter, slot, name, transcript, folder, hashes)
            if trial.failure is None:
                self.done[slot.runtime, job.score.ids, slot.attempt] = trial

    def apart(self, ids: Ids, attempt: int = 1) -> Apart:
        """Both sides' scores of the last id after the others. `attempt`: a second one repeats the first.

        Raises:
            StoppedError: a trial gave no result, or the user asked to stop.
        """
        theirs, ours = (self.scored(name, ids, attempt).scores[-1] for name in (self.baseline, self.cell[2]))
        return Apart(theirs=theirs, ours=ours, kl=divergence(theirs, ours))

    def scored(self, runtime: str, ids: Ids, attempt: int = 1) -> Trial:
        """The trial of one side, which ran now or before. Raises StoppedError as `apart` does."""
        known = self.done.get((runtime, ids, attempt))
        if known is not None:
            return known
        model, test, _ = self.cell
        slot = Slot(model=model, test=test, runtime=runtime, task="score", round=1, attempt=attempt)
        self.session.progress.note(f"{runtime}: scoring {len(ids)} ids{' again' if attempt > 1 else ''}")
        trial = self.perform(slot, ScoreRequest(ids=ids, prompt_tokens=len(ids) - 1))
        self.done[runtime, ids, attempt] = trial
        return trial

    def perform(self, slot: Slot, sequence: ScoreRequest | None = None) -> Trial:
        """Runs the trial of a slot. Raises StoppedError as `apart` does."""
        if self.session.cancel.count:
            raise InterruptedSearchError("it was interrupted")
        trial = perform(self.session, self.prepared[slot.runtime], self.model, slot, sequence)
        if self.session.cancel.count:
            raise InterruptedSearchError("it was interrupted")
        if trial.failure is not None:
            raise StoppedError(f"{slot.runtime}: {trial.failure.kind}: {trial.failure.message}")
        side = Side(slot.runtime, (trial,), None, None, asked_greedy=True, declared=self.declared.get(slot.runtime, {}))
        if side.unsound is not None:
            raise StoppedError(side.unsound)
        return trial


def declared_of(loaded: LoadedConfig, cell: Cell, baseline: str) -> dict[str, dict[str, str]]:
    """Runtime → fact → why a difference of it is intended, for both sides of a cell."""
    intent = intent_of(loaded)
    return {
        name: {fact: reason for fact in FACTS if (reason := intent.reason(fact, name, baseline)) is not None}
        for name in (baseline, cell[2])
    }
