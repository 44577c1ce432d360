"""What a run is made of: models, tests, jobs, trials, measurements, comparisons, verdicts, and the report over them.

Plain data. Nothing here computes, opens a file or names a runtime.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 1
"""Version of `run.json`, `results.jsonl` and `report.json`."""


class Record(BaseModel):
    """Base of every record: frozen, closed, strict, and without NaN (a value not seen is `None` with a reason).

    Validators are built on first use: most commands need few of the records, and none may be slow to start."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)


Scalar = str | int | float | bool | None


class ModelFacts(Record):
    """A model as it lies on disk. `sha256` is of the file, or of the sorted file list of a folder."""

    name: str
    title: str
    source: str
    path: str
    format: Literal["gguf", "folder"]
    sha256: str
    size_bytes: int
    architecture: str | None = None
    parameters: int | None = None
    quantisation: dict[str, int] = Field(default_factory=dict, description="tensor type -> number of tensors")
    context_length: int | None = None
    tokenizer: str | None = Field(default=None, description="tokenizer family and pre-tokenizer, such as gpt2/smollm")
    vocab_size: int | None = None
    chat_template_sha256: str | None = None
    synthetic: bool = Field(default=False, description="made up by `parity synth`: true shape, meaningless text")


class Sampling(Record):
    """How tokens are chosen. `temperature` 0 is greedy; penalties and truncation are off unless set."""

    temperature: float = Field(default=0.0, ge=0)
    seed: int = Field(default=0, ge=0)
    top_k: int | None = Field(default=None, gt=0)
    top_p: float | None = Field(default=None, gt=0, le=1)


class TestSpec(Record):
    """A prompt and what may be done with it. Budgets count sampled tokens."""

    __test__ = False

    name: str
    title: str
    prompt: str = Field(description="the text that every runtime is given")
    query: str | None = Field(default=None, description="what a runtime was asked that makes `prompt` of it")
    max_tokens: int
    raw: bool = False
    ignore_end: bool = True
    sampling: Sampling = Sampling()


LONGEST_S = 1e7
"""Of a deadline: some four months; a larger number is a mistake."""


class Limits(Record):
    """Bounds of one trial. Each is named for what it bounds; all but the last are seconds."""

    load_s: float = Field(default=120.0, gt=0, le=LONGEST_S, description="spawn to ready")
    first_token_s: float = Field(default=60.0, gt=0, le=LONGEST_S, description="ready to the first token")
    stall_s: float = Field(
        default=30.0, gt=0, le=LONGEST_S, description="no output and no CPU progress of the whole process tree"
    )
    total_s: float = Field(default=600.0, gt=0, le=LONGEST_S, description="spawn to the end of the process")
    grace_s: float = Field(
        default=3.0, gt=0, le=LONGEST_S, description="between INT, TERM and KILL when a process must end"
    )
    max_output_bytes: int = Field(default=64 * 1024 * 1024, gt=0, description="of both streams together")


TrialKind = Literal["full", "short", "whole"]
"""`full`: the test's budget, measured. `short`: the smaller of two budgets, for differences. `whole`: untimed and
without stop rule, for programs that are otherwise stopped early; it judges hangs, never speed."""


class Job(Record):
    """What one trial is asked to do; the first record of its transcript, so that a transcript explains itself."""

    runtime: str
    adapter: str
    settings: dict[str, Any] = Field(default_factory=dict)
    model: ModelFacts
    test: TestSpec
    round: int = Field(description="1, 2, …; warm-up rounds count on their own from 1")
    warmup: bool = False
    kind: TrialKind = "full"
    tokenizer: str | None = Field(default=None, description="a tokenizer.json of the model, for programs that need one")
    chat_turn: str | None = Field(
        default=None, description="the prompt in the model's own chat template, for programs that know no template"
    )
    scratch: str = Field(description="an empty folder of this trial's own; removed afterwards")


class Checkout(Record):
    """The state of the source tree that a runtime is built from. `commit` None: it is no git checkout."""

    folder: str
    commit: str | None = None
    changed_files: int = 0

    def __str__(self) -> str:
        if self.commit is None:
            return "commit unknown"
        files = f"{self.changed_files} changed file{'s' if self.changed_files > 1 else ''}"
        return f"commit {self.commit[:12]}{f' with {files}' if self.changed_files else ''}"


class Failure(Record):
    """Why a trial gave no result: the class that the metric dictionary lists, a sentence, and the last lines seen."""

    kind: str
    message: str
    tail: tuple[str, ...] = ()


class Measurement(Record):
    """A metric's value in one trial, had in one way. `value` is absent exactly when `reason` says why."""

    metric: str
    unit: str
    definition: str
    provenance: Literal["observed", "derived", "reported"]
    value: float | None = None
    reason: str | None = None
    note: str | None = None


class LedgerEntry(Record):
    """What one trial really ran, as far as it was seen; `None` means not seen."""

    weights_sha256: str | None = Field(description="of the file that it loaded; None where that was not seen")
    prompt_ids_sha256: str | None = None
    prompt_retokenised: bool = Field(
        default=False, description="the ids are those of the text that it said it sends, tokenised again"
    )
    prompt_tokens: int | None = None
    generated_tokens: int | None = None
    ended_early: bool = False
    settings: dict[str, Scalar] = Field(default_factory=dict)


class Trial(Record):
    """One execution of a cell, read from its transcript."""

    file: str
    model: str
    test: str
    runtime: str
    round: int
    warmup: bool
    kind: TrialKind = "full"
    failure: Failure | None = None
    warnings: tuple[str, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    ledger: LedgerEntry | None = None
    text: str | None = Field(default=None, description="what was generated, up to the end token")


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
    summaries: tuple[Summary, ...]
    comparisons: tuple[Comparison, ...]
    verdicts: tuple[Verdict, ...]
    warnings: tuple[str, ...] = ()
    page: PageSpec = PageSpec()
    exit: Exit
