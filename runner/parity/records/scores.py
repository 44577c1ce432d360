"""How likely a runtime finds a sequence of token ids: what is asked of it, and what it answers for each position."""

from pydantic import Field

from parity.records.base import Record

SHARED, OWN = 1, 2
"""Rounds of the trials that score: of the sequence that all runtimes score, and of a runtime's own answer. Later ones
are of the texts of runtimes that show no ids, in the order of the config: 3 is that of its first runtime."""


def text_round(place: int) -> int:
    """The round in which the text of the runtime at a place of the config, from 0, is scored."""
    return OWN + 1 + place


class ScoreRequest(Record):
    """A sequence to score, teacher-forced: prompt ids, then the ids that follow them."""

    ids: tuple[int, ...] = Field(min_length=2)
    prompt_tokens: int = Field(gt=0, description="how many of the ids are the prompt")
    top: int = Field(default=8, gt=0, description="how many of the likeliest tokens are reported for each position")
    own: bool = Field(
        default=False,
        description="the runtime generates its answer to the prompt once more, and scores that; the ids are those that "
        "others score",
    )


class Scored(Record):
    """One position of a sequence: how likely its id is after all ids before it.

    Log-probabilities are natural ones, from f32 logits before penalties and temperature, normalised in f64; those of a
    server are as it computes them."""

    position: int = Field(ge=1, description="index of `id` in the sequence; the first id has no score")
    id: int = Field(ge=0)
    logprob: float = Field(le=1e-6)
    logsumexp: float | None = Field(
        default=None, description="of the logits: what a log-probability is a logit less; null: not shown"
    )
    top: tuple[tuple[int, float], ...] = Field(description="ids and log-probabilities, likeliest first; equals by id")
