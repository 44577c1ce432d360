"""What `parity explain` says, as data: the terminal lays it out, and `--json` prints it as it is."""

from typing import Literal

from pydantic import Field

from parity.records import Diagnosis, Interval, OutputVerdict, Record, Scalar, Top, Verdict


class RawLine(Record):
    """Where a fact stands in the run folder. `text`: what the process wrote there, cut where it is long."""

    file: str = Field(description="the transcript, within the run folder")
    line: int = Field(description="line of that file, counted from 1")
    stream: Literal["out", "err"] | None = None
    stream_line: int | None = Field(default=None, description="line of what the process wrote on that stream")
    arrived_s: float | None = Field(default=None, description="when parity read it, in seconds after the spawn")
    text: str


class Source(Record):
    """One fact that a measurement was computed from, such as `t1`."""

    name: str
    what: str = Field(description="the event or record that holds it")
    at_s: float | None = Field(default=None, description="its instant, in seconds after the spawn")
    raw: RawLine | None = Field(default=None, description="None where no line of the transcript holds it")


class Reading(Record):
    """One side's value in one round, with what it was read from. Two budgets have the sources of two trials."""

    value: float | None = None
    reason: str | None = Field(default=None, description="why there is no value")
    worked: str | None = Field(default=None, description="the definition with this round's numbers")
    files: tuple[str, ...] = Field(default=(), description="the transcripts of its trials")
    sources: tuple[Source, ...] = ()


class Round(Record):
    """Both sides of one round. `left_out`: why the round is in no ratio and in no centre."""

    round: int
    value: Reading
    baseline: Reading | None = None
    ratio: float | None = None
    difference: float | None = None
    left_out: str | None = None


class DefinitionUsed(Record):
    """The way in which a metric was measured, and why this one."""

    id: str
    sentence: str
    why: str
    bound: str | None = None
    others: dict[str, str] = Field(default_factory=dict, description="definitions not used → why not")


class Look(Record):
    """The estimate of the first `rounds` rounds: of the ratio, or of a cell's own value."""

    rounds: int
    centre: float
    low: float | None = None
    high: float | None = None


class Result(Record):
    """What the rounds come to. `method`: how the interval was made; `widened`: what made it wider than that; `looks`:
    what was seen each time that the gates were judged."""

    rounds: int
    value: float | None = None
    baseline: float | None = None
    ratio: float | None = None
    difference: float | None = None
    agreement: float | None = None
    interval: Interval | None = None
    method: str = ""
    widened: tuple[str, ...] = ()
    looks: tuple[Look, ...] = ()
    doubts: tuple[str, ...] = ()


class Fact(Record):
    """One fact of what both sides ran. `standing` says what it means for this metric."""

    fact: str
    value: Scalar
    baseline: Scalar
    standing: str


class TrialConditions(Record):
    """What happened on the machine outside one trial's process tree. A value that is not known is None; the trial in
    `report.json` says why."""

    round: int
    runtime: str
    kind: str = Field(description="`short` for the smaller of two budgets")
    file: str
    attempt: int = 1
    counts: bool = Field(default=True, description="False for a trial whose turn was run again or left out")
    void: str | None = Field(default=None, description="what happened on the machine that makes the trial void")
    others_cpu: float | None = Field(default=None, description="cores that other programs used")
    cpu_pressure: float | None = Field(
        default=None, description="share of the time in which a program waited for a CPU"
    )
    throttled_s: float | None = None
    swapped_bytes: int | None = None
    page_cache: float | None = Field(default=None, description="share of the model's files in memory before the trial")


class MetricExplained(Record):
    """A metric of a cell, from the lines that hold it to the verdicts that read it."""

    explains: Literal["metric"] = "metric"
    run: str
    model: str
    test: str
    runtime: str
    baseline: str | None = Field(description="None for the baseline's own cell")
    metric: str
    title: str
    unit: str
    meaning: str
    absent: str | None = Field(default=None, description="why the cell has no value, or why it was not compared")
    definition: DefinitionUsed | None = None
    rounds: tuple[Round, ...] = ()
    result: Result | None = None
    identity: tuple[Fact, ...] = ()
    departures: tuple[str, ...] = Field(default=(), description="how trials of either side did not run what was asked")
    conditions: tuple[TrialConditions, ...] = ()
    verdicts: tuple[Verdict, ...] = ()


class ScoreTrial(Record):
    """A trial that scored a sequence of ids."""

    runtime: str
    file: str
    what: str = Field(description="which sequence")
    ids: int | None = Field(default=None, description="how many it scored, the first one among them")
    failure: str | None = None


class Farthest(Record):
    """The position at which the scores of the two sides lie farthest apart."""

    position: int = Field(description="index in the sequence, from 0")
    token: int | None = Field(description="number in the continuation, from 1; null: it is in the prompt")
    id: int
    kl: float = Field(description="their Kullback-Leibler divergence there, at least, in nats")
    theirs: Top = Field(description="the likeliest tokens, by the baseline")
    ours: Top


class OutputsExplained(Record):
    """How a verdict on outputs came about. `verdict` is null for the baseline, and where no gate asks for one."""

    verdict: OutputVerdict | None = None
    scored: tuple[ScoreTrial, ...] = ()
    farthest: Farthest | None = Field(default=None, description="null: not both sides scored one sequence")


class MetricLine(Record):
    """A metric of a cell in brief."""

    metric: str
    unit: str
    value: float | None = None
    baseline: float | None = None
    ratio: float | None = None
    difference: float | None = None
    interval: Interval | None = None
    definition: str | None = None
    reason: str | None = Field(default=None, description="why there is no value, or no comparison")
    verdicts: dict[str, str] = Field(default_factory=dict, description="gate → verdict")


class CellExplained(Record):
    """All metrics of a cell in brief."""

    explains: Literal["cell"] = "cell"
    run: str
    model: str
    test: str
    runtime: str
    baseline: str | None
    ran: str = Field(description="how many trials ran, and what kept the others")
    failures: tuple[str, ...] = ()
    state: tuple[str, ...] = Field(default=(), description="of the last trial that a deadline ended: what it was at")
    metrics: tuple[MetricLine, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    outputs: OutputsExplained | None = Field(default=None, description="null: nothing was scored or judged of them")
    diagnosis: Diagnosis | None = Field(
        default=None, description="what tells it from the baseline; null: it is the baseline, or did not run"
    )
    ask: tuple[str, ...] = Field(default=(), description="commands that explain more")


class CellLine(Record):
    """A cell of a run in brief. `name` is what `parity explain` takes."""

    name: str
    ran: str
    verdicts: dict[str, str] = Field(default_factory=dict, description="gate → verdict")


class RunExplained(Record):
    """All cells of a run, with their verdicts."""

    explains: Literal["run"] = "run"
    run: str
    baseline: str
    interrupted: bool
    exit_code: int
    exit_reason: str
    cells: tuple[CellLine, ...]
    ask: tuple[str, ...] = ()


Explained = RunExplained | CellExplained | MetricExplained
