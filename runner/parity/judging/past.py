"""A run that is over, to be compared with another one, and its trials as those of one side. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from parity.compare import Intent
from parity.gates import Evidence
from parity.judging.undecided import evidence_in
from parity.records import Cell, Report, Trial
from parity.stats import Looks

FIRST, SECOND = "the first run", "the second run"
"""What the sides are called in reasons."""


@dataclass(frozen=True)
class PastRun:
    """A run to be compared. `looks`: when its gates were judged, which decides how wide its intervals are. `intent`:
    the differences that its config declares."""

    report: Report
    looks: Looks
    intent: Intent

    @cached_property
    def evidence(self) -> Evidence:
        """What the verdicts of the run rest on."""
        return evidence_in(self.report, self.intent, self.looks)


@dataclass(frozen=True)
class Runs:
    """Two runs, the first in the place of a baseline."""

    first: PastRun
    second: PastRun

    def trials(self, cell: Cell) -> list[Trial]:
        """Those of a cell in both runs that count, as the trials of two runtimes."""
        return list(self._of_sides(cell, (self.first.report.trials, self.second.report.trials)))

    def scored(self, cell: Cell) -> list[Trial]:
        """The same of the trials that score."""
        return list(self._of_sides(cell, (self.first.report.score_trials, self.second.report.score_trials)))

    def _of_sides(self, cell: Cell, trials: tuple[Iterable[Trial], Iterable[Trial]]) -> Iterator[Trial]:
        """What both configs declare of how this runtime departs from what was asked is so in both; what differs between
        the two is no departure, but a fact."""
        intents = self.first.intent, self.second.intent
        for name, found in zip((FIRST, SECOND), trials, strict=True):
            for trial in found:
                if trial.cell == cell:
                    kept = tuple(d for d in trial.departures if None in [i.reason(d.fact, cell[2]) for i in intents])
                    yield trial.model_copy(update={"runtime": name, "departures": kept})
