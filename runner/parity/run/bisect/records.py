"""`bisect.json`: what a search found. It is written anew whenever more is known."""

from typing import Literal

from pydantic import Field

from parity.outputs.apart import Bound
from parity.records import FirstDifference, OutputKind, Record, Scored

ShownBy = Literal["prompt", "scores", "ids", "text"]
"""The first rung of the ladder that shows the fault at one place."""


class Token(Record):
    """An id, with its text where the model's tokenizer is known."""

    id: int
    text: str | None = None


class Apart(Record):
    """Both sides' scores of one id after the same ids. `kl`: their divergence, in nats, which is at least this."""

    theirs: Scored
    ours: Scored
    kl: float


class Place(Record):
    """The first position whose scores show the fault."""

    position: int = Field(description="index of the id in the scored sequence, from 0")
    positions: int = Field(description="how many ids the sequence has")
    token: int | None = Field(description="its number in the continuation, from 1; null: it is in the prompt")
    scored: Token
    apart: Apart
    bound: Bound


class Shortest(Record):
    """The shortest sequence that was tried and shows the fault at its last id."""

    ids: tuple[int, ...]
    text: str | None = None
    apart: Apart
    whole: bool = Field(description="it is all ids up to the position: nothing shorter showed the fault")
    repeated: bool = Field(description="a repeated trial of both sides showed it again")
    tried: dict[int, bool] = Field(description="number of ids → whether the fault showed")
    reproduce: dict[str, str] = Field(default_factory=dict, description="runtime → command line that scores the ids")


class PromptsPart(Record):
    """Two prompts. `at`: index of the first id that differs; null where only their lengths are known to differ."""

    at: int | None = None
    theirs: Token | None = Field(default=None, description="null: its prompt ends there")
    ours: Token | None = None


class Bisected(Record):
    """What is known of the fault of a cell."""

    model: str
    test: str
    runtime: str
    baseline: str
    verdict: OutputKind
    sentence: str
    shown_by: ShownBy
    prompts: PromptsPart | None = Field(default=None, description="where the prompt shows it")
    place: Place | None = Field(default=None, description="where the scores show it")
    parts: FirstDifference | None = Field(default=None, description="where ids or texts part")
    not_scored: str | None = Field(default=None, description="why no scores are compared")
    shortest: Shortest | None = None
    stopped: str | None = Field(default=None, description="why the search for the shortest sequence is not over")
    interrupted: bool = Field(default=False, description="the user stopped it")
    top: dict[int, str] = Field(default_factory=dict, description="texts of the ids that are shown")
