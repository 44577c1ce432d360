"""Two greedy continuations: where they first differ, by how much each side prefers its own token there, and whether a
side's own scores put its choices on top. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from parity.outputs.distances import most_of
from parity.outputs.sides import Ids, Side
from parity.records import FirstDifference, Margin, Scored


@dataclass(frozen=True)
class Sequenced:
    """The ids that were scored: a prompt, then a continuation."""

    ids: Ids
    prompt_tokens: int

    @property
    def prompt(self) -> Ids:
        return self.ids[: self.prompt_tokens]


@dataclass(frozen=True)
class OwnChoice:
    """The token that a runtime generated although its own scores prefer a different one by most. `token`: its number in
    the continuation, from 1."""

    token: int
    chosen: int
    preferred: int
    margin: Margin


def sequence_of(sides: Sequence[Side]) -> Sequenced | None:
    """What was scored, by the first trial that shows its prompt and its scores."""
    for side in sides:
        prompt = side.score.prompt_ids if side.score is not None and side.scores else None
        if prompt is not None and [s.id for s in side.scores[: len(prompt) - 1]] == list(prompt[1:]):
            return Sequenced((prompt[0], *(s.id for s in side.scores)), len(prompt))
    return None


def first_different(one: Ids, other: Ids) -> int | None:
    """Place of the first token, from 0, that two continuations don't share; None where one begins with the other."""
    return next((k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)


def worst_choice(side: Side, of: Sequenced) -> OwnChoice | None:
    """Of the tokens that a runtime generated after the very ids that it scored: up to and with the first that is not
    the sequence's. None where it generated none after these, or scored none."""
    if not side.ids or side.prompt_ids != of.prompt:
        return None
    worst: OwnChoice | None = None
    own = next(iter(side.ids.values()))
    for number, (chosen, scored) in enumerate(zip(own, side.scores[of.prompt_tokens - 1 :], strict=False), start=1):
        preferred, likeliest = scored.top[0] if scored.top else (scored.id, scored.logprob)
        logprob, at_most = most_of(scored, chosen)
        found = OwnChoice(number, chosen, preferred, Margin(nats=likeliest - logprob, at_least=at_most))
        if worst is None or found.margin.nats > worst.margin.nats:
            worst = found
        if chosen != scored.id:
            break
    return worst


def difference_at(place: int, theirs: Side, ours: Side, of: Sequenced | None) -> FirstDifference:
    """The first different token of two continuations of one prompt, with what the scores of both sides say of it.

    Scores say something only where they are of the same ids up to there."""
    one, other = (next(iter(side.ids.values())) for side in (theirs, ours))
    common = (*(theirs.prompt_ids or ours.prompt_ids or ()), *one[:place])
    applies = of is not None and theirs.prompt_ids == ours.prompt_ids == of.prompt and of.ids[: len(common)] == common
    their_score, our_score = (_at(side, len(common)) if applies else None for side in (theirs, ours))
    return FirstDifference(
        at=place + 1,
        position=len(common) if applies else None,
        theirs=str(one[place]),
        ours=str(other[place]),
        their_top=their_score.top if their_score is not None else (),
        our_top=our_score.top if our_score is not None else (),
        their_margin=_margin(their_score, one[place], other[place]),
        our_margin=_margin(our_score, other[place], one[place]),
    )


def _at(side: Side, position: int) -> Scored | None:
    return next((scored for scored in side.scores if scored.position == position), None)


def _margin(scored: Scored | None, own: int, others: int) -> Margin | None:
    if scored is None:
        return None
    mine, _ = most_of(scored, own)
    theirs, at_most = most_of(scored, others)
    return Margin(nats=mine - theirs, at_least=at_most)
