"""The trials of a run that measurements are taken from."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

from parity.reading.dictionary import strictness
from parity.records import Cell, Departure, Measurement, NotRun, Trial


class Measured:
    """The measured trials of a run that succeeded, looked up by cell, metric, definition and round."""

    def __init__(self, trials: Sequence[Trial], not_run: Mapping[Cell, NotRun] | None = None) -> None:
        self._not_run = not_run or {}
        self._cells: dict[Cell, list[Trial]] = {}
        self._departures: dict[Cell, list[Departure]] = {}
        self._times: dict[Cell, dict[int, float]] = {}
        self._short: dict[Cell, dict[int, Trial]] = {}
        self._good: dict[Cell, list[Trial]] = {}
        self._values: dict[Cell, Mapping[str, Mapping[str, Mapping[int, Measurement]]]] = {}
        self._reasons: dict[Cell, Mapping[str, Mapping[str, str]]] = {}
        timed = [trial for trial in trials if trial.is_measured]
        in_a_round = Counter((t.model, t.test) for t in {t.place[:4] + t.place[6:]: t for t in timed}.values())
        ran: Counter[tuple[str, str]] = Counter()
        for trial in timed:
            pair, cell = (trial.model, trial.test), trial.cell
            if trial.kind == "full":
                self._cells.setdefault(cell, []).append(trial)
                self._times.setdefault(cell, {})[trial.round] = ran[pair] / in_a_round[pair]
                if trial.failure is None:
                    self._good.setdefault(cell, []).append(trial)
            elif trial.kind == "short" and trial.failure is None:
                self._short.setdefault(cell, {})[trial.round] = trial
            self._departures.setdefault(cell, []).extend(trial.departures)
            ran[pair] += 1

    @property
    def cells(self) -> Sequence[Cell]:
        return list(self._cells)

    def times(self, cell: Cell) -> Mapping[int, float]:
        """Round → when its trial ran, in rounds from the first, by its place among the trials of its model and test."""
        return self._times.get(cell, {})

    def trials(self, cell: Cell) -> Sequence[Trial]:
        """The successful trials of a cell, by round."""
        return self._good.get(cell, ())

    def short_trials(self, cell: Cell) -> Mapping[int, Trial]:
        """Round → the successful trial of the smaller budget."""
        return self._short.get(cell, {})

    def departures(self, cell: Cell) -> Sequence[Departure]:
        """How the measured trials of a cell, of either budget, did not run what was asked."""
        return self._departures.get(cell, [])

    def failed(self, cell: Cell) -> int:
        """How many measured trials of a cell failed."""
        return sum(trial.failure is not None for trial in self._cells.get(cell, ()))

    def definitions(self, cell: Cell, metric: str) -> list[str]:
        """Definitions by which any trial of the cell measured the metric or says why not, strictest first."""
        return list(self._found(cell).get(metric, ()))

    def values(self, cell: Cell, metric: str, definition: str) -> Mapping[int, Measurement]:
        """Round → the measurement with a value."""
        return self._found(cell).get(metric, {}).get(definition, {})

    def _found(self, cell: Cell) -> Mapping[str, Mapping[str, Mapping[int, Measurement]]]:
        """Metric → definition, strictest first → round → the measurement with a value; sorted once, for it is asked
        very often."""
        if cell not in self._values:
            found: dict[str, dict[str, dict[int, Measurement]]] = {}
            for trial in self.trials(cell):
                for m in trial.measurements:
                    values = found.setdefault(m.metric, {}).setdefault(m.definition, {})
                    if m.value is not None:
                        values[trial.round] = m
            self._values[cell] = {
                metric: {definition: by[definition] for definition in sorted(by, key=partial(strictness, metric))}
                for metric, by in found.items()
            }
        return self._values[cell]

    def reason(self, cell: Cell, metric: str, definition: str | None = None) -> str:
        """Why a cell has no value of a metric; by `definition` where that one gave a reason."""
        if not self.trials(cell):
            entry = self._not_run.get(cell)
            if entry is not None and entry.kind != "interrupted":
                return f"{entry.kind}: {entry.reason}"
            failed = self.failed(cell)
            every = f"all {failed} trials" if failed > 1 else "the only trial"
            return f"{every} failed" if failed else "no trial ran"
        reasons = self._why_not(cell).get(metric, {})
        return reasons.get(definition or "") or next(iter(reasons.values()), "the runtime does not show it")

    def why_not_by(self, cell: Cell, metric: str, definition: str) -> str | None:
        """Why a cell has no value of a metric by this very definition; None where no trial says so."""
        return self._why_not(cell).get(metric, {}).get(definition)

    def _why_not(self, cell: Cell) -> Mapping[str, Mapping[str, str]]:
        """Metric → definition → why the first trial that has no value has none; sorted once, as values are."""
        if cell not in self._reasons:
            found: dict[str, dict[str, str]] = {}
            for trial in reversed(self.trials(cell)):
                for m in trial.measurements:
                    if m.reason is not None:
                        found.setdefault(m.metric, {})[m.definition] = m.reason
            self._reasons[cell] = found
        return self._reasons[cell]
