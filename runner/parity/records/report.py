"""What is judged and reported: summaries, comparisons, verdicts, and the report over them."""

from typing import Literal

from pydantic import Field

from parity.records.base import SCHEMA_VERSION, Record, Scalar
from parity.records.model import ModelFacts
from parity.records.trial import Checkout, Trial
from parity.records.work import TestSpec


class Interval(Record):
    """Lower and upper end at the stated confidence."""

    low: float
    high: float
    confidence: float = 0.95


class Summary(Record):
    """A metric of a cell over the measured rounds. `centre` is the geometric mean."""

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


class Comparison(Record):
    """Implementation ÷ baseline of one metric over rounds in which both have it."""

    model: str
    test: str
    runtime: str
    baseline: str
    metric: str
    unit: str
    definition: str | None = None
    rounds: int = 0
    difference: float | None = Field(default=None, description="implementation − baseline, in the metric's unit")
    ratio: float | None = None
    interval: Interval | None = None
    reason: str | None = Field(default=None, description="why there is no ratio")
    doubt: str | None = Field(default=None, description="why the ratio decides nothing: a side's own trials belie it")
    comparable: bool = True


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


VerdictKind = Literal["PASS", "FAIL", "INCONCLUSIVE", "NOT COMPARABLE", "NOT RUN", "NOT APPLICABLE"]


GateKind = Literal["bound", "ratio", "no-failed-trials", "consistency"]


class Verdict(Record):
    """One gate judged on one cell. `sentence` says what was seen and what was asked."""

    gate: str
    kind: GateKind
    metric: str | None = None
    model: str
    test: str
    runtime: str
    required: bool
    verdict: VerdictKind
    sentence: str
    value: float | None = None
    interval: Interval | None = None


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
    reason: str | None = None
    remedy: str | None = None
    settings: dict[str, Scalar] = Field(default_factory=dict, description="in force, as its trials reported them")


class Claim(Record):
    """A line of the page's analysis. It is ticked when every gate that it names passed; without gates it is never."""

    text: str = Field(description="what is claimed")
    gates: tuple[str, ...] = Field(default=(), description="names of the gates that it rests on")


class PageSpec(Record):
    """The `[report]` table: what the Markdown page says beyond the figures."""

    markdown: str | None = Field(default=None, description="where the page goes, relative to the working folder")
    title: str | None = Field(default=None, description="its heading; runtime and models unless set")
    test: str | None = Field(default=None, description="test of the headline table; the first one unless named")
    implementation: str | None = Field(
        default=None, description="runtime that is judged; the first that isn't the baseline"
    )
    features: str | None = Field(default=None, description="build features of the implementation, shown as they stand")
    architecture: str | None = Field(default=None, description="how the implementation is built, shown as it stands")
    matching: tuple[Claim, ...] = Field(default=(), description="claims of the analysis where the two sides match")
    conclusion: str | None = Field(default=None, description="what may go ahead when every required gate passed")
    slower: tuple[str, ...] = Field(default=(), description="what to look at when a speed gate failed")


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
    baseline: str
    interrupted: bool = False
    machine: dict[str, Scalar]
    models: tuple[ModelFacts, ...]
    tests: tuple[TestSpec, ...]
    runtimes: tuple[RuntimeReport, ...]
    trials: tuple[Trial, ...]
    not_run: tuple[NotRun, ...] = ()
    summaries: tuple[Summary, ...]
    comparisons: tuple[Comparison, ...]
    verdicts: tuple[Verdict, ...]
    warnings: tuple[str, ...] = ()
    page: PageSpec = PageSpec()
    exit: Exit
