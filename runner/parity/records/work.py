"""What a trial is asked to do: test, limits, job."""

from typing import Any, Literal

from pydantic import Field

from parity.records.base import Record, Scalar
from parity.records.model import ModelFacts
from parity.records.scores import ScoreRequest


class Sampling(Record):
    """How tokens are chosen. `temperature` 0 is greedy; penalties and truncation are off unless set."""

    temperature: float = Field(default=0.0, ge=0)
    seed: int = Field(default=0, ge=0)
    top_k: int | None = Field(default=None, gt=0)
    top_p: float | None = Field(default=None, gt=0, le=1)


class TestSpec(Record):
    """A prompt and what may be done with it. Budgets count sampled tokens."""

    __test__ = False

    name: str = Field(description="name of the test in the config")
    title: str = Field(description="as reports show it")
    prompt: str = Field(description="the text that every runtime is given")
    query: str | None = Field(default=None, description="what a runtime was asked that makes `prompt` of it")
    max_tokens: int = Field(description="how many tokens to generate, an end token included")
    raw: bool = Field(
        default=False, description="send the prompt as it is; otherwise it is a user's turn for the template"
    )
    ignore_end: bool = Field(default=True, description="go on past end tokens, up to `max_tokens`")
    sampling: Sampling = Field(default=Sampling(), description="how tokens are chosen")


LONGEST_S = 1e7
"""Of a deadline: some four months; a larger number is a mistake."""


class Limits(Record):
    """Limits of one trial. A trial that exceeds one is ended and counts as failed."""

    load_s: float = Field(
        default=120.0,
        gt=0,
        le=LONGEST_S,
        description="seconds from the start of the process until it is ready for a prompt",
    )
    first_token_s: float = Field(default=60.0, gt=0, le=LONGEST_S, description="seconds from ready to the first token")
    stall_s: float = Field(
        default=30.0,
        gt=0,
        le=LONGEST_S,
        description="seconds in which the process tree neither prints anything nor uses CPU time",
    )
    total_s: float = Field(
        default=600.0,
        gt=0,
        le=LONGEST_S,
        description="seconds from the start of the process to its end; of a trial that scores more than 512 ids, for "
        "each 512 of them",
    )
    grace_s: float = Field(
        default=3.0,
        gt=0,
        le=LONGEST_S,
        description="seconds between SIGINT, SIGTERM and SIGKILL when a process is ended",
    )
    max_output_bytes: int = Field(
        default=64 * 1024 * 1024,
        gt=0,
        description="the most bytes that standard output and standard error may hold together",
    )
    max_memory_bytes: int | None = Field(
        default=None,
        gt=0,
        description="the most memory that the process tree of a trial may use; by default it may use what there is",
    )


Cell = tuple[str, str, str]
"""Model, test and runtime."""

Place = tuple[object, ...]
"""A slot without its attempt."""

Task = Literal["generate", "score"]
"""What one trial does. `generate`: a prompt and a budget. `score`: a fixed sequence of ids, teacher-forced."""

TrialKind = Literal["full", "short", "whole", "floor", "floor-short", "exact"]
"""`full`: the test's budget, measured. `short`: the smaller of two budgets, for differences. `whole`: untimed and
without stop rule, for programs that are otherwise stopped early; it judges hangs, never speed. `floor` and
`floor-short`: a second `full` and `short` of the baseline in the same round, to compare it with itself. `exact`: of the
task `score`, by the runtime under settings that compute in F32 throughout, on the weights dequantised to F32; it is no
result of the runtime itself."""


class Slot(Record):
    """The place of one trial in a run. Warm-up rounds count on their own from 1."""

    model: str
    test: str
    runtime: str
    task: Task = "generate"
    round: int = Field(gt=0)
    warmup: bool = False
    kind: TrialKind = "full"
    host: str = Field(default="local", description="label of the host that performs it")
    attempt: int = Field(default=1, gt=0, description="a trial that was cut off is tried again under the next number")

    @property
    def cell(self) -> Cell:
        return self.model, self.test, self.runtime

    @property
    def is_measured(self) -> bool:
        """Whether its trial is measured: it generates, and is no warm-up and no whole trial."""
        return self.task == "generate" and not self.warmup and self.kind != "whole"

    @property
    def place(self) -> Place:
        """What tells the slot from others; its attempts have it in common."""
        return *self.cell, self.task, self.round, self.warmup, self.kind, self.host


class Converted(Record):
    """A model in another form, made once before the trials for a runtime that can't read the model as it is stored."""

    folder: str
    sha256: str = Field(description="of the list of its files with their hashes")
    converted_from: str = Field(description="sha256 of the model")
    proof: dict[str, Scalar] = Field(description="what was compared with the model, and what came of it")


class Job(Record):
    """What one trial is asked to do; the first record of its transcript, so that a transcript explains itself."""

    runtime: str = Field(description="name of its table in the config")
    adapter: str = Field(description="name of its adapter")
    settings: dict[str, Any] = Field(default_factory=dict, description="the adapter's own keys of the table")
    model: ModelFacts = Field(description="the model that it has to load")
    task: Task = Field(default="generate", description="`score` is asked only of runtimes that offer it")
    test: TestSpec = Field(description="the prompt, and what may be done with it")
    round: int = Field(description="1, 2, …; warm-up rounds count on their own from 1")
    warmup: bool = Field(default=False, description="whether its figures are left out")
    kind: TrialKind = Field(default="full", description="`whole`: run to the program's own end, without a stop marker")
    tokenizer: str | None = Field(default=None, description="a tokenizer.json of the model, for programs that need one")
    chat_turn: str | None = Field(
        default=None,
        description="the prompt in the model's own chat template, rendered once a run; null where the test is raw, or "
        "the template can't be rendered here",
    )
    converted: Converted | None = Field(
        default=None, description="the model as the runtime can read it, where it can't read it as it is stored"
    )
    further_prefills: int = Field(
        default=0,
        ge=0,
        description="how many times to compute the same prompt again with an empty cache, once generation is over",
    )
    score: ScoreRequest | None = Field(default=None, description="what a trial of the task `score` computes")
    scratch: str = Field(description="an empty folder of this trial's own; removed afterwards")
