"""What came of a trial: failure, measurements, identity."""

from collections.abc import Iterable
from typing import Literal, Self

from pydantic import AliasChoices, Field, model_validator

from parity.records.base import Record, Scalar
from parity.records.conditions import Conditions
from parity.records.scores import Scored
from parity.records.use import NamedThreads, Use, UsePhase
from parity.records.work import Cell, Place, Task, TrialKind
from parity.units import plural


class Checkout(Record):
    """The state of the source tree that a runtime is built from. `commit` None: it is no git checkout."""

    folder: str
    commit: str | None = None
    changed_files: int = 0

    def __str__(self) -> str:
        if self.commit is None:
            return "commit unknown"
        files = f"{plural(self.changed_files, 'changed file')}"
        return f"commit {self.commit[:12]}{f' with {files}' if self.changed_files else ''}"


class Failure(Record):
    """Why a trial gave no result: the class that the metric dictionary lists, a sentence, the last lines of its output,
    and what its processes were at where a deadline ended it."""

    kind: str
    message: str
    tail: tuple[str, ...] = ()
    state: tuple[str, ...] = ()


class Notice(Record):
    """A line of standard error by which a program warned."""

    text: str = Field(description="the first of its kind, shortened; lines that differ in numbers only are of one kind")
    count: int = Field(description="how many lines of the kind it printed")


class Measurement(Record):
    """A metric's value in one trial, by one definition. Either `value` or `reason` is there: a value that was not
    measured is absent, and the reason says why."""

    metric: str
    unit: str
    definition: str
    provenance: Literal["observed", "derived", "reported"]
    value: float | None = None
    reason: str | None = None
    note: str | None = None
    resolution: float | None = Field(
        default=None, description="half of the last digit that the program printed: the value may be off by as much"
    )

    @model_validator(mode="after")
    def _value_or_reason(self) -> Self:
        if (self.value is None) == (self.reason is None):
            raise ValueError("a measurement has either a value or the reason why there is none")
        return self


class Identity(Record):
    """What one trial really ran. `None`: the program did not show it."""

    runtime: str | None = Field(default=None, description="the name by which the program introduces itself")
    version: str | None = None
    weights_sha256: str | None = Field(description="of the file that it loaded")
    prompt_ids_sha256: str | None = None
    prompt_retokenised: bool = Field(
        default=False, description="the program showed only the text of its prompt; parity tokenised it again"
    )
    prompt_tokens: int | None = None
    generated_tokens: int | None = None
    output_ids_sha256: str | None = Field(
        default=None, description="of the ids that it generated, up to the end token; null: it showed no ids"
    )
    ended_early: bool = False
    sampling: str | None = Field(default="greedy", description="how tokens were chosen, in canonical words")
    programs: dict[str, str] = Field(
        default_factory=dict, description="sha256 of each executable, script and worker file that it was started from"
    )
    settings: dict[str, Scalar] = Field(default_factory=dict)


StageName = Literal[
    "import",
    "header",
    "tokenizer",
    "weights",
    "lm-load",
    "download",
    "to-weights",
    "load",
    "prefill",
    "first-text",
    "decode",
    "answer",
    "aside",
    "other",
]
"""`to-weights`: until the weights are resident, of a program that does not mark when it begins to load them. `load`:
what is left of the time until it is ready. `first-text` and `answer`: to the first and the last text of a program that
shows no token. `aside`: work after the answer that figures leave out. `other`: whatever no mark tells."""


class Stage(Record):
    """What a trial was at for a while, in seconds after its spawn."""

    name: StageName
    begin_s: float
    end_s: float

    @property
    def seconds(self) -> float:
        return self.end_s - self.begin_s


class Departure(Record):
    """One way in which a trial did not run what was asked."""

    fact: str = Field(description="the fact, as `[[declare]]` names it; `changed`: of what changed during the run")
    sentence: str
    metrics: tuple[str, ...] | None = Field(default=None, description="the metrics that it concerns; null: all")
    unproven: bool = Field(default=False, description="nothing shows the fact, rather than that it was different")

    def concerns(self, metric: str | None) -> bool:
        """Whether it concerns a metric; None stands for how the trial ended, which hangs on all of its work."""
        if metric is None:
            return self.metrics is None or (self.fact in ("prompt", "tokens") and not self.unproven)
        return self.metrics is None or metric in self.metrics


class Trial(Record):
    """One execution of a cell, read from its transcript."""

    file: str
    model: str
    test: str
    runtime: str
    round: int
    warmup: bool
    kind: TrialKind = "full"
    task: Task = "generate"
    host: str = "local"
    attempt: int = 1
    failure: Failure | None = None
    stopped: bool = Field(
        default=False, description="parity ended it at its stop mark, so that it does not show whether the program ends"
    )
    warnings: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = Field(default=(), description="what the program warned of on standard error")
    measurements: tuple[Measurement, ...] = ()
    identity: Identity | None = Field(default=None, validation_alias=AliasChoices("identity", "ledger"))
    """Version 1 of `results.jsonl` and `report.json` calls it `ledger`."""
    departures: tuple[Departure, ...] = Field(
        default=(), description="how it did not run what was asked, where it gave a result"
    )
    met_end: bool = Field(default=False, exclude=True)
    """Whether an end token is among the generated ones."""
    shows_end: bool = Field(default=False, exclude=True)
    """Whether the last token that it generated is an end token."""
    text: str | None = Field(default=None, description="what was generated, up to the end token")
    prompt_ids: tuple[int, ...] | None = Field(default=None, exclude=True)
    output_ids: tuple[int, ...] | None = Field(default=None, exclude=True)
    """Of all generated tokens, those after an end token that the test ignores too. Like `prompt_ids` and `scores`, the
    transcript alone keeps them."""
    text_ids: tuple[int, ...] | None = Field(default=None, exclude=True)
    """Its text by the model's own tokenizer, where it shows no ids."""
    pieces: dict[int, bytes] = Field(default_factory=dict, exclude=True)
    """Id → what that token writes, of each id among `text_ids` and `scores`; none for a special token. Ids of which it
    is not known are left out."""
    scores: tuple[Scored, ...] = Field(default=(), exclude=True)
    """What a trial of the task `score` found, by position."""
    answer_scored: bool = Field(default=False, exclude=True)
    """Whether its `scores` are of its own answer alone, which it generated once more."""
    conditions: Conditions | None = Field(default=None, description="what else was true of the machine meanwhile")
    void: str | None = Field(
        default=None, description="why it does not count: what happened on the machine outside its process tree"
    )
    wall_s: float | None = Field(default=None, description="from spawn to end, of a trial that failed too")
    gaps_ns: tuple[int, ...] = Field(default=(), description="from each token to the next one, by their stamps")
    text_gaps_ns: tuple[int, ...] = Field(
        default=(), description="from each piece of text to the next one, of a program that shows no token"
    )

    use: tuple[Use, ...] = Field(
        default=(), description="what its processes used by phase; empty in a run of an earlier version"
    )
    threads: tuple[NamedThreads, ...] = Field(
        default=(), description="its threads by name, where the system tells their names"
    )
    stages: tuple[Stage, ...] = Field(default=(), exclude=True)
    """From its spawn to its end, without a gap. Like `command`, the transcript alone keeps them."""
    command: tuple[str, ...] = Field(default=(), exclude=True)
    """The command line of its process."""

    @property
    def cell(self) -> Cell:
        return self.model, self.test, self.runtime

    @property
    def is_measured(self) -> bool:
        """Whether figures may come from it: it generates, and is no warm-up and no whole trial."""
        return self.task == "generate" and not self.warmup and self.kind != "whole"

    def value(self, metric: str, definition: str | None = None) -> float | None:
        """A metric's value by `definition`, or by the strictest one that has a value."""
        values = (m.value for m in self.measurements if m.metric == metric and definition in (None, m.definition))
        return next((value for value in values if value is not None), None)

    def departing(self, departure: Departure) -> Self:
        """The trial with a further departure. One that failed, or ran to its own end, has no figures to doubt."""
        if self.failure is not None or self.kind == "whole":
            return self
        return self.but(departures=(*self.departures, departure))

    def use_in(self, phase: UsePhase) -> Use | None:
        """What its processes used in a phase."""
        return next((use for use in self.use if use.phase == phase), None)

    @property
    def place(self) -> Place:
        """That of the slot which it filled."""
        return self.model, self.test, self.runtime, self.task, self.round, self.warmup, self.kind, self.host


def by_cell(trials: Iterable[Trial]) -> dict[Cell, list[Trial]]:
    """Cell → its trials, both in their order."""
    found: dict[Cell, list[Trial]] = {}
    for trial in trials:
        found.setdefault(trial.cell, []).append(trial)
    return found


def by_pair(trials: Iterable[Trial]) -> dict[tuple[str, str], list[Trial]]:
    """Model and test → their trials, both in their order."""
    found: dict[tuple[str, str], list[Trial]] = {}
    for trial in trials:
        found.setdefault((trial.model, trial.test), []).append(trial)
    return found
