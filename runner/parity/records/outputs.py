"""What two runtimes computed from the same prompt, compared rung by rung, and the verdict on it."""

from typing import Literal

from pydantic import Field

from parity.records.base import Record

OutputKind = Literal["IDENTICAL", "EQUIVALENT", "DRIFT", "WRONG", "UNPROVEN"]

RungName = Literal["prompt", "greedy", "text", "scores"]

Top = tuple[tuple[int, float], ...]
"""Ids and natural log-probabilities, likeliest first."""


class Rung(Record):
    """One rung of the ladder. `within`: it differs as honest engines do. `not shown`: a side doesn't show it, and
    `detail` says why."""

    name: RungName
    state: Literal["same", "within", "differs", "not shown"]
    detail: str


class Margin(Record):
    """By how many nats a side prefers its own candidate to the other side's. `at_least`: the other candidate is not
    among the likeliest that the side reported, so that it may be less likely still."""

    nats: float
    at_least: bool = False

    def __str__(self) -> str:
        return f"{'at least ' if self.at_least else ''}{self.nats:.3g} nats"

    @property
    def preferred(self) -> str:
        """What the side prefers, and by how much. Scores and generation of one runtime round differently, so that it
        may prefer the other token by a little."""
        return f"its own by {self}" if self.nats >= 0 else f"the other by {-self.nats:.3g} nats"


class FirstDifference(Record):
    """Where two outputs first differ: a token of the continuation, or a word or character of the text. Of a text, the
    ids and margins are not known."""

    at: int = Field(ge=1, description="number of the token, word or character in the continuation, from 1")
    unit: Literal["token", "word", "character"] = "token"
    position: int | None = Field(default=None, description="index of the token in the whole sequence")
    theirs: str = Field(description="of the baseline: an id, or the text from there on")
    ours: str = Field(description="of the implementation")
    their_top: Top = Field(default=(), description="the likeliest tokens there, by the baseline's scores")
    our_top: Top = ()
    their_margin: Margin | None = Field(default=None, description="of the baseline; null: it scored nothing there")
    our_margin: Margin | None = None


class Distances(Record):
    """How far two sides' probabilities lie apart over the same sequence of ids, in nats."""

    positions: int
    continuation: int = Field(description="how many of them are in the continuation; the others are the prompt's")
    mean_kl: float = Field(description="mean Kullback-Leibler divergence of the implementation from the baseline")
    p99_kl: float
    outside: float = Field(
        description="mean probability, by the baseline, of tokens that the two lists don't share, over the continuation"
    )
    largest_delta: float = Field(description="largest |Δ log p| of the sequence's ids over the continuation")
    largest_at: int = Field(description="position of that id in the sequence")
    same_top: float = Field(description="share of positions at which both sides find the same token likeliest")
    perplexity: float = Field(description="of the continuation, by the implementation")
    baseline_perplexity: float
    early_kl: float = Field(description="mean KL of the first half of the positions")
    late_kl: float = Field(description="of the second half")
    grows_p: float | None = Field(
        default=None, description="how likely the second half is so much farther apart by chance; null: too few"
    )


class Span(Record):
    """Bounds or figures of one kind: mean and 99th-percentile KL, and |Δ log p|, in nats."""

    mean_kl: float
    p99_kl: float
    delta: float

    @property
    def odds(self) -> float:
        """By how many nats the odds of two tokens change at most: each changes by `delta`, in opposite directions. At a
        flip, the margins by which both sides prefer their own token add up to such a change."""
        return 2 * self.delta


class Tolerance(Record):
    """What counts as the difference of honest engines. `references`: the largest distances between the other runtimes
    that scored the same sequence, the baseline among them."""

    allowed: Span
    blamed: Span = Field(description="only distances beyond these are called drift; between the two nothing is decided")
    source: str
    floor: Span = Field(description="the default for the numeric class, which the bounds are multiples of")
    references: Span | None = None
    farthest: str | None = Field(default=None, description="the two of them that lie farthest apart")


class Widest(Record):
    """What both sides report at one position: the one at which |Δ log p| of the sequence's id is largest."""

    position: int
    id: int = Field(description="of the sequence")
    theirs: float = Field(description="log p of that id by the baseline")
    ours: float = Field(description="by the implementation")
    their_top: Top
    our_top: Top


Nearness = Literal["near", "between", "far"]
"""How far a runtime lies from the exact arm. `near`: within the tolerance for its numeric class; `far`: beyond what is
called drift; `between`: neither, or too little is listed to tell."""


class ExactDistance(Record):
    """How far one runtime lies from the exact arm, over the sequence that all score."""

    runtime: str
    distances: Distances = Field(description="of the runtime from the exact arm, which stands as the baseline here")
    times: float = Field(description="the largest of the figures in multiples of what passes for this runtime alone")
    nearness: Nearness


class ExactArm(Record):
    """The same weights dequantised to F32 and computed in F32 throughout, and how far each runtime lies from that."""

    members: tuple[str, ...] = Field(
        description="the runtimes under whose programs it was computed; distances are from the first"
    )
    weights_sha256: str | None = Field(default=None, description="of the file of dequantised weights")
    silent: tuple[str, ...] = Field(default=(), description="why further members gave nothing")
    resolution: Span | None = Field(
        default=None, description="how far its members lie apart, which is as well as it is known; null: it has one"
    )
    resolution_by_quarter: tuple[float, ...] = Field(
        default=(), description="largest |Δ log p| of the sequence's ids between members, by quarter of the positions"
    )
    doubt: str | None = Field(default=None, description="why it decides nothing of this pair")
    distances: tuple[ExactDistance, ...] = Field(default=(), description="of each runtime that scored the sequence")

    def of(self, runtime: str) -> ExactDistance | None:
        return next((found for found in self.distances if found.runtime == runtime), None)


class OutputVerdict(Record):
    """What an implementation computed beside the baseline on one model and test. `sentence` says what was compared."""

    model: str
    test: str
    runtime: str
    baseline: str
    verdict: OutputKind
    sentence: str
    acceptable: bool = Field(
        default=False, description="UNPROVEN because too little is shown; nothing that is shown speaks against it"
    )
    declared: str | None = Field(default=None, description="why the config accepts that too little is shown")
    rungs: tuple[Rung, ...] = ()
    first_difference: FirstDifference | None = None
    distances: Distances | None = None
    widest: Widest | None = Field(default=None, description="the position of `largest_at` in `distances`")
    tolerance: Tolerance | None = None
    needed: float | None = Field(
        default=None, description="the multiple of the tolerance that would have passed; 1 or less passes"
    )
    would_pass: Span | None = Field(default=None, description="the smallest tolerance that would have passed, in nats")
    exact: ExactArm | None = Field(default=None, description="where a gate asks for it by `truth`")
    no_exact: str | None = Field(default=None, description="why there is no exact arm though a gate asks for it")

    @property
    def counts(self) -> bool:
        """Whether figures of speed count beside these outputs."""
        return self.verdict in ("IDENTICAL", "EQUIVALENT") or self.is_accepted

    @property
    def differs(self) -> bool:
        """Whether two answers are shown to differ, whatever explains it."""
        return any(rung.state == "differs" for rung in self.rungs if rung.name in ("greedy", "text"))

    @property
    def is_accepted(self) -> bool:
        """Whether the config declares that what is not shown is acceptable."""
        return self.verdict == "UNPROVEN" and self.acceptable and self.declared is not None
