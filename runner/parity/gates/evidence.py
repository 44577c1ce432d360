"""The evidence that gates judge: trials, comparisons, and what is known of the run around them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from parity.compare import Departed, Intent, Measured, departed
from parity.reading.facts import facts_in
from parity.records import Cell, Comparison, NotRun, OutputVerdict, Trial, by_pair
from parity.stats import ALPHA, ONCE, Looks

NOT_RUN_WORDS = {
    "unavailable": ("{runtime} is unavailable", "unavailable"),
    "build": ("the build of {runtime} failed", "its build failed"),
    "given up": ("{runtime} was given up", "given up"),
}
"""Kind of `NotRun` → how a verdict says it, with the runtime's name and beside it. An interrupted cell is not here: the
trials that ran are judged."""


@dataclass(frozen=True)
class Evidence:
    """What verdicts rest on. `devices`: runtime → the device that its probe names, which stands in where no trial
    reports one. `unset`: runtimes that are not set here. `not_run`: cells of which not all planned trials ran, with the
    reason. `intent`: the differences that the config declares. `looks`: when the run is judged. `fail_tail`: how often
    a required gate may FAIL falsely. `greedy`: tests whose tokens are not sampled. `void`: trials that do not count
    because of what else the machine did. `scored`: trials of the task `score`, which are not among `trials`.
    `exact`: those of the exact arm, which are in neither.
    `outputs`: what was judged of them and of the outputs, once all trials are there; empty while rounds still run.
    `unasked`: what the trials show of outputs by themselves, where a gate compares speeds and none judges outputs."""

    baseline: str
    trials: Sequence[Trial]
    comparisons: Sequence[Comparison]
    platform: str
    devices: Mapping[str, str]
    unset: frozenset[str] = frozenset()
    not_run: Mapping[Cell, NotRun] = field(default_factory=dict)
    intent: Intent = field(default_factory=Intent)
    looks: Looks = ONCE
    fail_tail: float = ALPHA
    greedy: frozenset[str] = frozenset()
    void: Sequence[Trial] = ()
    scored: Sequence[Trial] = ()
    exact: Sequence[Trial] = ()
    outputs: Mapping[Cell, OutputVerdict] = field(default_factory=dict)
    unasked: Mapping[Cell, OutputVerdict] = field(default_factory=dict)

    @cached_property
    def measured(self) -> Measured:
        """What the trials measured."""
        return Measured(self.trials, self.not_run)

    def of(self, cell: Cell) -> list[Trial]:
        """All trials of a cell, warm-up included."""
        return [t for t in self.of_pair(cell[0], cell[1]) if t.cell == cell]

    def of_pair(self, model: str, test: str) -> Sequence[Trial]:
        """All trials of a model and test, warm-up included."""
        return self._by_pair.get((model, test), ())

    def beside(self, cell: Cell) -> list[Cell]:
        """Every cell of the same model and test, whose trials ran in the same turns."""
        return list(dict.fromkeys(t.cell for t in self.of_pair(cell[0], cell[1])))

    def run_again(self, cell: Cell) -> tuple[list[Trial], list[Trial]]:
        """The deadlines that a cell missed on a busy machine in trials that don't count: those of which a later attempt
        gave a result, and the others."""
        mine = [*(t for t in self.void_of_pair(cell[0], cell[1]) if t.cell == cell), *self.of(cell)]
        missed = [t for t in mine if t.void is not None and t.failure is not None]
        good = {t.place: t.attempt for t in mine if t.failure is None}
        explained = [t for t in missed if good.get(t.place, 0) > t.attempt]
        return explained, [t for t in missed if t not in explained]

    def comparison(self, cell: Cell, metric: str, definition: str | None = None) -> Comparison | None:
        """By `definition`, or by the strictest that both sides have."""
        found = self._compared.get((*cell, metric), ())
        return next((c for c in found if definition in (None, c.definition)), None)

    def void_of_pair(self, model: str, test: str) -> Sequence[Trial]:
        """The trials of a model and test that do not count because of what else the machine did."""
        return self._void_by_pair.get((model, test), ())

    def scored_of(self, model: str, test: str) -> Sequence[Trial]:
        """The trials of a model and test that score, without those of the exact arm."""
        return self._scored_by_pair.get((model, test), ())

    def exact_of(self, model: str, test: str) -> Sequence[Trial]:
        """Those of the exact arm."""
        return self._exact_by_pair.get((model, test), ())

    @cached_property
    def _by_pair(self) -> Mapping[tuple[str, str], Sequence[Trial]]:
        return by_pair(self.trials)

    @cached_property
    def _void_by_pair(self) -> Mapping[tuple[str, str], Sequence[Trial]]:
        return by_pair(self.void)

    @cached_property
    def _scored_by_pair(self) -> Mapping[tuple[str, str], Sequence[Trial]]:
        return by_pair(self.scored)

    @cached_property
    def _exact_by_pair(self) -> Mapping[tuple[str, str], Sequence[Trial]]:
        return by_pair(self.exact)

    @cached_property
    def _compared(self) -> Mapping[tuple[str, str, str, str], Sequence[Comparison]]:
        found: dict[tuple[str, str, str, str], list[Comparison]] = {}
        for c in self.comparisons:
            found.setdefault((c.model, c.test, c.runtime, c.metric), []).append(c)
        return found

    def good_rounds(self, cell: Cell) -> set[int]:
        """The measured rounds in which the cell's trial gave a result."""
        return {trial.round for trial in self.measured.trials(cell)}

    def departed(self, cell: Cell, metric: str | None) -> Departed:
        """How the trials of a cell that a gate reads did not run what was asked. None stands for how trials ended, to
        which warm-up and whole trials count too."""
        departures = self.measured.departures(cell)
        if metric is None:
            departures = [departure for trial in self.of(cell) for departure in trial.departures]
        return departed(departures, cell[2], metric, self.intent)

    def devices_of(self, cell: Cell) -> dict[str | None, int]:
        """Device fact → number of the cell's measured trials on it; None: not reported. Where none reports any, the
        one of the runtime's probe."""
        found: dict[str | None, int] = {}
        for trial in self.measured.trials(cell):
            device = facts_in(trial.identity.settings).get("device") if trial.identity is not None else None
            found[device] = found.get(device, 0) + 1
        if set(found) <= {None} and (probed := self.devices.get(cell[2])) is not None:
            return {facts_in({"device": probed}).get("device"): max(found.get(None, 0), 1)}
        return found

    def lost_rounds(self, cell: Cell) -> str | None:
        """Says which measured rounds of a cell failed while others gave a result: what is left may be what was fast.
        None where none failed, or where all did."""
        measured = [t for t in self.of(cell) if t.is_measured and t.void is None]
        failed = [t for t in measured if t.failure is not None and t.failure.kind != "interrupted"]
        if not failed or not self.good_rounds(cell):
            return None
        kinds = ", ".join(dict.fromkeys(t.failure.kind for t in failed if t.failure is not None))
        rounds, planned = ({t.round for t in trials} for trials in (failed, measured))
        return (
            f"{len(rounds)} of {len(planned)} measured rounds of {cell[2]} failed ({kinds}), and what the others show "
            "may be only what was fast: a verdict needs all of them"
        )

    def missing(self, cell: Cell, judged: Cell | None = None) -> str | None:
        """Why a cell as a whole can't be judged: it was unavailable, its build failed, or it was given up. Verdicts on
        the cell itself, `judged`, stand beside its name and don't repeat it."""
        entry = self.not_run.get(cell)
        if entry is None or entry.kind not in NOT_RUN_WORDS:
            return None
        named, beside_name = NOT_RUN_WORDS[entry.kind]
        words = beside_name if cell == judged else named.format(runtime=entry.runtime)
        return f"{words}: {entry.reason}"

    def remedy(self, cell: Cell) -> str:
        """What would make a cell run that did not; empty where nothing is known to."""
        entry = self.not_run.get(cell)
        return f"to fix it:\n{entry.remedy}" if entry is not None and entry.remedy else ""
