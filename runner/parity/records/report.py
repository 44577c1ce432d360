"""What is judged and reported: summaries, comparisons, verdicts, and the report over them."""

import math
from typing import Literal

from pydantic import Field

from parity.records.base import SCHEMA_VERSION, Record, Scalar
from parity.records.conditions import ConditionLimits
from parity.records.diagnosis import Diagnosis
from parity.records.model import ModelFacts
from parity.records.outputs import OutputVerdict
from parity.records.trial import Checkout, Trial
from parity.records.witness import Witnesses
from parity.records.work import TestSpec


class Interval(Record):
    """Lower and upper end at the stated confidence."""

    low: float
    high: float
    confidence: float = 0.95


class Summary(Record):
    """A metric of a cell over the measured rounds. `centre` is the geometric mean on the ratio scale, the arithmetic
    mean on the difference scale, and the value that all rounds share on the agreement scale."""

    model: str
    test: str
    runtime: str
    metric: str
    unit: str
    definition: str
    provenance: Literal["observed", "derived", "reported"]
    values: tuple[float, ...] = ()
    centre: float | None = None
    interval: Interval | None = None
    reason: str | None = None
    note: str | None = None


class Declaration(Record):
    """`[[declare]]`: a difference between runtimes that is intended. Their comparisons are judged all the same, and
    every report shows the declaration beside the verdict."""

    fact: str = Field(description="the fact that differs, such as `threads`")
    runtimes: tuple[str, ...] = Field(
        min_length=1,
        description="the runtimes that differ in it from the baseline, or from what the test asks for; the baseline "
        "alone stands for every other runtime",
    )
    reason: str = Field(min_length=1, description="why the difference is intended, for the reports")


class FactRow(Record):
    """One fact of an implementation and of the baseline on one model and test. `state` says what it means for their
    comparison: `differs` and, for facts that must be proven, `unproven` keep them from being compared."""

    model: str
    test: str
    runtime: str
    baseline: str
    fact: str
    theirs: str | None = Field(description="of the baseline; null where it is not known")
    ours: str | None = Field(description="of the implementation")
    state: Literal["equal", "differs", "declared", "unproven", "shown"]
    reason: str | None = Field(default=None, description="of the declaration, or what is not known")


class Floor(Record):
    """The baseline compared with itself in the same rounds: the difference that this machine shows where there is
    none."""

    ratio: float
    rounds: int
    ratios: tuple[float, ...] = Field(description="of each round")
    interval: Interval | None = None

    def log_of(self, rounds: int) -> float:
        """By how much the first so many rounds widen an interval on both sides, as a logarithm."""
        logs = [math.log(ratio) for ratio in self.ratios[:rounds]]
        return abs(math.fsum(logs) / len(logs)) if logs else 0.0


class Comparison(Record):
    """An implementation compared with the baseline in one metric, over the rounds in which both have a value."""

    model: str
    test: str
    runtime: str
    baseline: str
    metric: str
    unit: str
    scale: Literal["ratio", "difference", "agreement"] = "ratio"
    definition: str | None = None
    rounds: int = 0
    numbers: tuple[int, ...] = Field(default=(), description="of the rounds that it is over")
    ours: tuple[float, ...] = Field(default=(), description="the implementation's values in these rounds")
    theirs: tuple[float, ...] = Field(default=(), description="the baseline's")
    slack: tuple[float, ...] = Field(
        default=(),
        description="how far the logarithm of the ratio of each round may be off because of printed digits",
    )
    floor: Floor | None = None
    tokens: int | None = Field(
        default=None,
        description="of a rate of tokens: it is over so many first tokens of both sides, because one generated more",
    )
    difference: float | None = Field(default=None, description="implementation − baseline, in the metric's unit")
    ratio: float | None = Field(default=None, description="implementation ÷ baseline, on the ratio scale")
    value: float | None = Field(
        default=None, description="the implementation's centre over the rounds that are compared, in the metric's unit"
    )
    baseline_value: float | None = Field(default=None, description="the baseline's over the same rounds")
    agreement: float | None = Field(default=None, description="share of rounds with equal values, on that scale")
    interval: Interval | None = Field(default=None, description="of the ratio, or on the difference scale of that")
    reason: str | None = Field(default=None, description="why the two sides were not compared")
    remedy: str | None = Field(default=None, description="what would make them comparable")
    doubt: str | None = Field(
        default=None, description="why the ratio decides nothing: the trials of one side contradict it"
    )
    doubt_factor: float | None = Field(
        default=None, description="the ratio by what single trials show, divided by the ratio that is in doubt"
    )
    comparable: bool = True
    declared: tuple[str, ...] = Field(default=(), description="differences that the config declares, with its reasons")
    unproven: tuple[str, ...] = Field(default=(), description="facts of which a side did not report its value")

    @property
    def has_ratio(self) -> bool:
        """Whether the two sides were compared and have a ratio, which two upper bounds never have."""
        return self.comparable and self.ratio is not None


class NotRun(Record):
    """A cell of which not all planned trials ran, and why. `kind` says at which point it ended."""

    model: str
    test: str
    runtime: str
    kind: Literal["unavailable", "build", "given up", "interrupted"]
    planned: int = Field(description="trials that the config asks for, warm-up included")
    ran: int
    reason: str
    remedy: str | None = None


def flattened(advice: str) -> str:
    """Advice in one line: `declare it: [[declare]] fact = "threads", runtimes = ["beta"], …`."""
    return advice.replace("]]\n", "]] ").replace(":\n", ": ").replace("\n", ", ")


VerdictKind = Literal["PASS", "FAIL", "INCONCLUSIVE", "NOT COMPARABLE", "NOT RUN", "NOT APPLICABLE"]


class Verdict(Record):
    """One gate judged on one cell. `sentence` says what was measured and what the gate requires."""

    gate: str
    kind: str = Field(description="kind of the gate, as the config writes it")
    compares: bool = Field(default=False, description="the gate compares the runtime with the baseline")
    metric: str | None = None
    model: str
    test: str
    runtime: str
    required: bool
    verdict: VerdictKind
    sentence: str
    advice: str | None = Field(
        default=None, description="the end of the sentence: what would change the verdict; TOML has lines of its own"
    )
    bounds: str | None = Field(
        default=None,
        description="what a gate on a metric requires of the value, in words, where the value is what decided",
    )
    fell_away: bool = Field(
        default=False, description="a gate that applies elsewhere, because the runtime did not run on its device"
    )
    declared: tuple[str, ...] = Field(default=(), description="declared differences in what the gate reads")
    unproven: tuple[str, ...] = Field(default=(), description="facts that are not known to be equal on both sides")
    value: float | None = None
    at_least: float | None = Field(
        default=None, description="the lowest value that the gate allows: a ratio, or in the metric's unit"
    )
    at_most: float | None = Field(default=None, description="the highest value that it allows")
    interval: Interval | None = None
    rounds: int | None = Field(default=None, description="after how many rounds a gate on a metric was decided")
    failed_side: Literal["slow", "fast"] | None = Field(
        default=None,
        description="of a failed gate on a time or a rate: whether the runtime is slower or faster than the baseline, "
        "or than a fixed bound",
    )

    @property
    def finding(self) -> str:
        """The sentence without the advice at its end."""
        return self.sentence.removesuffix(f"; {flattened(self.advice)}") if self.advice else self.sentence


class RuntimeReport(Record):
    """A runtime as this run found it. `title` is the name that headings use; `name` the key in the config."""

    name: str
    title: str
    adapter: str
    role: Literal["baseline", "implementation"]
    status: Literal["ready", "unavailable", "not set"]
    version: str | None = None
    checkout: Checkout | None = Field(default=None, description="what it was built from, where that is a source tree")
    device: str | None = None
    model: ModelFacts | None = Field(default=None, description="the model that it loads in place of the report's")
    reason: str | None = None
    remedy: str | None = None
    settings: dict[str, Scalar] = Field(default_factory=dict, description="those that its trials reported")
    # What decides what it computes, of those that it is built with, with what tells one build from another. A report
    # that was just computed has them; `report.json` does not.
    libraries: dict[str, str] = Field(default_factory=dict, exclude=True)


class Claim(Record):
    """A line of the project page's analysis. It is ticked when every gate that it names passed; a claim without
    gates is never ticked."""

    text: str = Field(description="the claim")
    gates: tuple[str, ...] = Field(
        default=(), description="names of the gates that must pass for the claim to be ticked"
    )


class PageSpec(Record):
    """`[report]`: what the project page says besides the results, and where it is written. It is Markdown to keep in a
    project's repository."""

    markdown: str | None = Field(
        default=None,
        description="the project page's file, relative to the working folder; without it none is written",
    )
    title: str | None = Field(default=None, description="its heading; by default the runtime and the models")
    test: str | None = Field(default=None, description="the test in the headline table; by default the first")
    implementation: str | None = Field(
        default=None, description="the runtime that it is about; by default the first that isn't the baseline"
    )
    features: str | None = Field(default=None, description="build features of the implementation, printed as written")
    architecture: str | None = Field(default=None, description="architecture of the implementation, printed as written")
    matching: tuple[Claim, ...] = Field(
        default=(), description="claims that the analysis lists when the implementation matches the baseline"
    )
    conclusion: str | None = Field(default=None, description="what may go ahead once every required gate has passed")
    slower: tuple[str, ...] = Field(default=(), description="what to investigate when a speed gate failed")


class Exit(Record):
    """parity's own exit code, and why."""

    code: int
    reason: str


class Report(Record):
    """Everything that the reports print; a pure function of the run folder. Published as `report.json`."""

    schema_version: int = SCHEMA_VERSION
    run: str
    name: str
    started: str = Field(description="ISO 8601, UTC")
    parity_version: str
    config_sha256: str
    config_file: str | None = Field(default=None, description="the path of the config when the run began")
    options: tuple[str, ...] = Field(
        default=(), description="the options that changed what the config says, or selected a part of it"
    )
    not_selected: tuple[str, ...] = Field(
        default=(), description="gates that are not judged, with the runtimes and tests that were not selected"
    )
    baseline: str
    interrupted: bool = False
    gates_from: str | None = Field(
        default=None, description="the file of gates that were chosen after the run, in place of its own"
    )
    machine: dict[str, Scalar]
    models: tuple[ModelFacts, ...]
    tests: tuple[TestSpec, ...]
    runtimes: tuple[RuntimeReport, ...]
    trials: tuple[Trial, ...] = Field(description="the trials that count")
    void: tuple[Trial, ...] = Field(
        default=(), description="trials of void turns that were run again or, where few turns stayed void, left out"
    )
    conditions: ConditionLimits = Field(default=ConditionLimits(), description="`[conditions]` of the config")
    not_run: tuple[NotRun, ...] = ()
    summaries: tuple[Summary, ...]
    comparisons: tuple[Comparison, ...]
    facts: tuple[FactRow, ...] = Field(default=(), description="what each side of each comparison ran with")
    verdicts: tuple[Verdict, ...]
    score_trials: tuple[Trial, ...] = Field(
        default=(), description="trials that scored a sequence of ids; those of the kind `exact` are of the exact arm"
    )
    outputs: tuple[OutputVerdict, ...] = Field(
        default=(), description="what each implementation computed beside the baseline, where a gate asks for it"
    )
    witnesses: Witnesses | None = Field(
        default=None, description="figures of other benchmarks that were put beside the run, which no gate reads"
    )
    diagnoses: tuple[Diagnosis, ...] = Field(
        default=(), description="of the cells that are slower than a gate allows, or may be: what shows why"
    )
    warnings: tuple[str, ...] = ()
    page: PageSpec = PageSpec()
    exit: Exit
