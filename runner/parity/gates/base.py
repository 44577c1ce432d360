"""What all kinds of gate share: their keys, and what a judgement says."""

import difflib
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from parity.compare import Departed, too_few_tokens
from parity.compare.advice import EVERY_ROUND, FAILED_ROUNDS, ON_A_QUIETER_MACHINE, to_declare, to_measure
from parity.errors import Problem, unknown_names
from parity.gates.busy import busy_machine, uneven_voids
from parity.gates.evidence import Evidence
from parity.reading.devices import DEVICE_CLASSES
from parity.reading.dictionary import METRICS, REPORTED, only_a_bound
from parity.records import Cell, Interval, Measurement, Name, Record, VerdictKind, flattened

ALL_ROUNDS = "a verdict needs a value in every round, so that what is slow or odd is not left out"


@dataclass(frozen=True)
class Judgement:
    """A verdict before it is tied to its gate and cell. `finding`: what was found; `advice`: what would change that,
    where the two can be told apart. `failed_side`: which way a speed gate failed. `fell_away`: the gate applies on a
    different device. `declared`, `unproven`: see `Verdict`. `bounds`: what is required of the value, where
    that is what decided. `open`: it is undecided, and more rounds may
    decide it. `rounds`: how many it was judged by; `more_rounds`: how many more would decide it at the present
    spread."""

    verdict: VerdictKind
    finding: str
    value: float | None = None
    interval: Interval | None = None
    failed_side: Literal["slow", "fast"] | None = None
    fell_away: bool = False
    declared: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()
    open: bool = False
    rounds: int | None = None
    advice: str = ""
    bounds: str | None = None
    more_rounds: int | None = None

    @property
    def sentence(self) -> str:
        """What was found, and what would change it."""
        return "; ".join(part for part in (self.finding, flattened(self.advice)) if part)


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
    def allowed(self) -> tuple[float | None, float | None]:
        """The lowest and the highest value that it allows, of a gate that judges one value."""
        return None, None

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
            if reason := evidence.missing(read, cell):
                return Judgement("NOT RUN", reason, advice=evidence.remedy(read))
            if self.judged_metric is not None and (lost := evidence.lost_rounds(read)):
                return Judgement("INCONCLUSIVE", f"{self.judged_metric}: {lost}", advice=FAILED_ROUNDS)
        # A comparison says so by itself, and names the side.
        odd = evidence.departed(cell, self.judged_metric) if not self.compares else Departed(None)
        if odd.undeclared is not None:
            subject = f"{self.judged_metric}: " if self.judged_metric is not None else ""
            advice = to_declare(odd.undeclared.fact, cell[2]) or ""
            found = f"{subject}{odd.undeclared.sentence}"
            return Judgement("NOT COMPARABLE", found, declared=odd.declared, advice=advice)
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
        finding = f"{busy}; {judgement.finding}"
        return replace(
            judgement,
            verdict="INCONCLUSIVE",
            finding=finding,
            advice=ON_A_QUIETER_MACHINE,
            failed_side=None,
            open=False,
            bounds=None,
        )

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
) -> Mapping[int, Measurement] | Judgement:
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
            why = f"{few} ({measured.reason(cell, metric, definition)}): {ALL_ROUNDS}"
            return Judgement("INCONCLUSIVE", why, advice=EVERY_ROUND)
        if values and (too_few := too_few_tokens(metric, measured.trials(cell))):
            return Judgement("NOT COMPARABLE", f"{metric}: {too_few}")
        if values:
            return values
    tried = measured.definitions(cell, metric)
    unfit = [d for d in tried if measured.values(cell, metric, d)]
    if unfit and asked is not None and not only_a_bound(metric, asked):
        return Judgement("NOT COMPARABLE", f"{metric} was measured by {', '.join(unfit)}, and not by {asked}")
    if unfit:
        found = f"{metric} was only measured by {unfit[0]}, which no gate accepts"
        return Judgement("NOT COMPARABLE", found, advice=to_measure(metric, tried))
    if measured.trials(cell):
        return Judgement("NOT RUN", f"{metric}: {measured.reason(cell, metric)}", advice=to_measure(metric, tried))
    return Judgement("NOT RUN", f"{metric}: {measured.reason(cell, metric)}")


def side(metric: str, value: float, limit: float) -> Literal["slow", "fast"] | None:
    """On which side of `limit` a time or a rate lies; None for what is no speed."""
    spec = METRICS[metric]
    if spec.unit not in ("s", "token/s") or spec.better is None or value == limit:
        return None
    return "fast" if (value > limit) == (spec.better == "higher") else "slow"
