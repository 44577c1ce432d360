"""The trials of a run that measurements are taken from."""

from collections import Counter
from collections.abc import Mapping, Sequence

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
        timed = [trial for trial in trials if trial.is_measured]
        in_a_round = Counter((t.model, t.test) for t in {t.place[:4] + t.place[6:]: t for t in timed}.values())
        ran: Counter[tuple[str, str]] = Counter()
        for trial in timed:
            pair, cell = (trial.model, trial.test), trial.cell
            if trial.kind == "full":
                self._cells.setdefault(cell, []).append(trial)
                self._times.setdefault(cell, {})[trial.round] = ran[pair] / in_a_round[pair]
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
        return [trial for trial in self._cells.get(cell, ()) if trial.failure is None]

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
        seen = {m.definition: None for trial in self.trials(cell) for m in trial.measurements if m.metric == metric}
        return sorted(seen, key=lambda definition: strictness(metric, definition))

    def values(self, cell: Cell, metric: str, definition: str) -> dict[int, Measurement]:
        """Round → the measurement with a value."""
        return {
            trial.round: m
            for trial in self.trials(cell)
            for m in trial.measurements
            if m.metric == metric and m.definition == definition and m.value is not None
        }

    def reason(self, cell: Cell, metric: str, definition: str | None = None) -> str:
        """Why a cell has no value of a metric; by `definition` where that one gave a reason."""
        if not self.trials(cell):
            entry = self._not_run.get(cell)
            if entry is not None and entry.kind != "interrupted":
                return f"{entry.kind}: {entry.reason}"
            failed = self.failed(cell)
            return f"all {failed} trials failed" if failed else "no trial ran"
        reasons = {
            m.definition: m.reason
            for trial in reversed(self.trials(cell))
            for m in trial.measurements
            if m.metric == metric and m.reason is not None
        }
        return reasons.get(definition or "") or next(iter(reasons.values()), "the runtime does not show it")
