"""What all kinds of gate share: their keys, the evidence that they read, and how an interval is judged."""

import difflib
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from parity.compare import Departed, Intent, Measured, departed, to_declare, to_measure, too_few_tokens
from parity.errors import Problem, unknown_names
from parity.gates.busy import busy_machine, uneven_voids
from parity.reading.devices import DEVICE_CLASSES
from parity.reading.dictionary import METRICS, REPORTED, only_a_bound
from parity.reading.facts import facts_in
from parity.records import (
    Cell,
    Comparison,
    Interval,
    Measurement,
    Name,
    NotRun,
    OutputVerdict,
    Record,
    Trial,
    VerdictKind,
)
from parity.stats import ALPHA, ONCE, Looks

NOT_RUN_WORDS = {
    "unavailable": "{runtime} is unavailable: {reason}",
    "build": "the build of {runtime} failed: {reason}",
    "given up": "{runtime} was given up: {reason}",
}
"""Kind of `NotRun` → how a verdict says it. An interrupted cell is not here: the trials that ran are judged."""

ALL_ROUNDS = "a verdict needs a value in every round, so that what is slow or odd is not left out"


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
    measured: Measured = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "measured", Measured(self.trials, self.not_run))

    def of(self, cell: Cell) -> list[Trial]:
        """All trials of a cell, warm-up included."""
        return [t for t in self.trials if t.cell == cell]

    def beside(self, cell: Cell) -> list[Cell]:
        """Every cell of the same model and test, whose trials ran in the same turns."""
        found = {t.cell: None for t in self.trials if t.cell[:2] == cell[:2]}
        return list(found)

    def run_again(self, cell: Cell) -> tuple[list[Trial], list[Trial]]:
        """The deadlines that a cell missed on a busy machine in trials that don't count: those of which a later attempt
        gave a result, and the others."""
        mine = [t for t in (*self.void, *self.trials) if t.cell == cell]
        missed = [t for t in mine if t.void is not None and t.failure is not None]
        good = {t.place: t.attempt for t in mine if t.failure is None}
        explained = [t for t in missed if good.get(t.place, 0) > t.attempt]
        return explained, [t for t in missed if t not in explained]

    def comparison(self, cell: Cell, metric: str, definition: str | None = None) -> Comparison | None:
        """By `definition`, or by the strictest that both sides have."""
        found = (c for c in self.comparisons if (c.model, c.test, c.runtime) == cell and c.metric == metric)
        return next((c for c in found if definition in (None, c.definition)), None)

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

    def missing(self, cell: Cell) -> str | None:
        """Why a cell as a whole can't be judged: it was unavailable, its build failed, or it was given up."""
        entry = self.not_run.get(cell)
        if entry is None or entry.kind not in NOT_RUN_WORDS:
            return None
        words = NOT_RUN_WORDS[entry.kind].format(runtime=entry.runtime, reason=entry.reason)
        return f"{words}; to fix it: {entry.remedy}" if entry.remedy else words


@dataclass(frozen=True)
class Judgement:
    """A verdict before it is tied to its gate and cell. `failed_side`: which way a speed gate failed. `fell_away`: the
    gate applies on a different device. `declared`, `unproven`: see `Verdict`. `open`: it is undecided, and more rounds
    may decide it. `rounds`: how many it was judged by."""

    verdict: VerdictKind
    sentence: str
    value: float | None = None
    interval: Interval | None = None
    failed_side: Literal["slow", "fast"] | None = None
    fell_away: bool = False
    declared: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()
    open: bool = False
    rounds: int | None = None


class When(Record):
    """Where a gate applies. Everywhere else its verdict is NOT APPLICABLE."""

    platform: Literal["linux", "darwin"] | None = Field(default=None, description="operating system")
    device: str | None = Field(
        default=None,
        description="the class of device that all layers of the model must be on, such as `cpu`, `metal` or `cuda`; "
        "`gpu` is every class but `cpu`",
    )

    @field_validator("device")
    @classmethod
    def _is_a_class(cls, device: str | None) -> str | None:
        if device is None or device in DEVICE_CLASSES:
            return device
        near = difflib.get_close_matches(device.casefold().split(":")[0], DEVICE_CLASSES, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(DEVICE_CLASSES)}"
        raise ValueError(f"is not a class of devices: {hint}")


class GateBase(Record):
    """A condition that a run must meet. Every gate has these keys; `kind` decides what it checks and adds more."""

    compares: ClassVar[bool] = False
    """Whether the gate compares a runtime with the baseline."""

    over_rounds: ClassVar[bool] = False
    """Whether the gate judges values over the rounds, so that more rounds may decide it."""

    reads_scores: ClassVar[bool] = False
    """Whether the gate judges what the runtimes answer, so that each runtime that can has to score one answer."""

    name: Name = Field(description="the gate's name in verdicts and in `[report]`")
    runtimes: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="the runtimes to judge; by default every runtime but the baseline"
    )
    tests: tuple[str, ...] | None = Field(default=None, min_length=1, description="the tests to judge; by default all")
    required: bool = Field(
        default=True,
        description="`false` makes the gate advice: its verdict is shown, but does not change the exit code",
    )
    when: When | None = Field(
        default=None, description="the platform or device on which the gate applies; by default it always applies"
    )

    @property
    def judged_metric(self) -> str | None:
        """The metric that the gate reads; None for one that reads how trials ended."""
        return None

    @property
    def judged_definition(self) -> str | None:
        """The definition of the metric that the gate names, if it names one."""
        return None

    def cells(self, cell: Cell, baseline: str) -> tuple[Cell, ...]:
        """The cells whose trials decide a verdict on `cell`: the baseline's first, for a gate that compares."""
        return ((*cell[:2], baseline), cell) if self.compares else (cell,)

    def problems(self, baseline: str) -> Iterator[Problem]:
        """The problems of a gate of which every single key is valid. The config checks names of runtimes and tests."""
        yield from ()

    def judge(self, cell: Cell, evidence: Evidence) -> Judgement:
        """The verdict on a cell. NOT RUN where a cell that the gate reads could not be run."""
        for read in self.cells(cell, evidence.baseline):
            if reason := evidence.missing(read):
                return Judgement("NOT RUN", reason)
            if self.judged_metric is not None and (lost := evidence.lost_rounds(read)):
                return Judgement("INCONCLUSIVE", f"{self.judged_metric}: {lost}")
        # A comparison says so by itself, and names the side.
        odd = evidence.departed(cell, self.judged_metric) if not self.compares else Departed(None)
        if odd.undeclared is not None:
            subject = f"{self.judged_metric}: " if self.judged_metric is not None else ""
            said = "; ".join(part for part in (odd.undeclared.sentence, to_declare(odd.undeclared.fact)) if part)
            return Judgement("NOT COMPARABLE", f"{subject}{said}", declared=odd.declared)
        judgement = self._unless_busy(self.judge_trials(cell, evidence), cell, evidence)
        return judgement if self.compares else replace(judgement, declared=odd.declared)

    def _unless_busy(self, judgement: Judgement, cell: Cell, evidence: Evidence) -> Judgement:
        """INCONCLUSIVE where the machine was too busy for it."""
        trials = [trial for read in self.cells(cell, evidence.baseline) for trial in evidence.of(read)]
        busy = busy_machine(self.judged_metric, trials)
        if busy is None and self.over_rounds:
            busy = uneven_voids(self.cells(cell, evidence.baseline), evidence.beside(cell), evidence.void)
        if busy is None or judgement.verdict == "NOT COMPARABLE":
            return judgement
        sentence = f"{busy}; {judgement.sentence}"
        return replace(judgement, verdict="INCONCLUSIVE", sentence=sentence, failed_side=None, open=False)

    @abstractmethod
    def judge_trials(self, cell: Cell, evidence: Evidence) -> Judgement:
        """The verdict on a cell whose trials ran."""


class MetricGate(GateBase):
    """What every gate on a metric has."""

    over_rounds: ClassVar[bool] = True

    metric: str = Field(description="the name of a metric, such as `gen_tps`")
    definition: str | None = Field(
        default=None,
        description="the definition of the metric that the gate reads, such as `steady-state` of `prompt_tps`; by "
        "default the strictest one that is there",
    )

    @property
    def judged_metric(self) -> str:
        return self.metric

    @property
    def judged_definition(self) -> str | None:
        return self.definition

    def problems(self, baseline: str) -> Iterator[Problem]:
        yield from unknown_names(f"gates.{self.name}.metric", [self.metric], tuple(METRICS))
        if self.definition is not None and self.metric in METRICS:
            known = tuple(definition.id for definition in METRICS[self.metric].definitions)
            yield from unknown_names(f"gates.{self.name}.definition", [self.definition], known)


def crossed_bounds(at: str, bounds: Mapping[str, float | None]) -> Iterator[Problem]:
    """Complains where neither of two bounds is given, or where the lower one is above the upper one."""
    (low_key, low), (high_key, high) = bounds.items()
    if low is None and high is None:
        yield Problem(at, "has no bound", f"give `{low_key}`, `{high_key}` or both")
    if low is not None and high is not None and low > high:
        yield Problem(
            f"{at}.{low_key}", f"{low:g} is above {high_key} = {high:g}", "nothing can pass: swap or fix them"
        )


def strictest(
    metric: str, cell: Cell, evidence: Evidence, asked: str | None = None
) -> dict[int, Measurement] | Judgement:
    """Round → the cell's measurement by its strictest definition, or by the one that is asked for; a judgement with the
    reason where there are none.

    A figure that the runtime reports about itself is no evidence, and neither is a value that is only a bound."""
    measured = evidence.measured
    for definition in measured.definitions(cell, metric):
        if definition.startswith(REPORTED) or only_a_bound(metric, definition) or asked not in (None, definition):
            continue
        values = measured.values(cell, metric, definition)
        good = len(evidence.good_rounds(cell))
        if values and len(values) < good:
            few = f"{metric} was measured in only {len(values)} of {good} successful rounds"
            return Judgement("INCONCLUSIVE", f"{few} ({measured.reason(cell, metric, definition)}): {ALL_ROUNDS}")
        if values and (too_few := too_few_tokens(metric, measured.trials(cell))):
            return Judgement("NOT COMPARABLE", f"{metric}: {too_few}")
        if values:
            return values
    tried = measured.definitions(cell, metric)
    unfit = [d for d in tried if measured.values(cell, metric, d)]
    if unfit and asked is not None and not only_a_bound(metric, asked):
        return Judgement("NOT COMPARABLE", f"{metric} was measured by {', '.join(unfit)}, and not by {asked}")
    if unfit:
        sentence = f"{metric} was only measured by {unfit[0]}, which no gate accepts; {to_measure(metric, tried)}"
        return Judgement("NOT COMPARABLE", sentence)
    if measured.trials(cell):
        return Judgement("NOT RUN", f"{metric}: {measured.reason(cell, metric)}; {to_measure(metric, tried)}")
    return Judgement("NOT RUN", f"{metric}: {measured.reason(cell, metric)}")


def side(metric: str, value: float, limit: float) -> Literal["slow", "fast"] | None:
    """On which side of `limit` a time or a rate lies; None for what is no speed."""
    spec = METRICS[metric]
    if spec.unit not in ("s", "token/s") or spec.better is None or value == limit:
        return None
    return "fast" if (value > limit) == (spec.better == "higher") else "slow"
