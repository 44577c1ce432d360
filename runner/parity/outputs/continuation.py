"""Two greedy continuations: where they first differ, by how much each side prefers its own token there, and whether a
side's own scores put its choices on top. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from parity.outputs.distances import most_of
from parity.outputs.sides import Ids, Sequenced, Side
from parity.records import FirstDifference, Margin, Scored


@dataclass(frozen=True)
class OwnChoice:
    """The token that a runtime generated although its own scores prefer a different one by most. `token`: its number in
    the continuation, from 1."""

    token: int
    chosen: int
    preferred: int
    margin: Margin


def first_different(one: Ids, other: Ids) -> int | None:
    """Place of the first token, from 0, that two continuations don't share; None where one begins with the other."""
    return next((k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)


def scores_along(side: Side, of: Sequenced | None) -> Sequence[Scored]:
    """What a runtime scored after its own prompt and its own tokens, for each of these in turn: for its whole answer,
    or else up to and with the first that is not the sequence's. `of`: None where it did not score that."""
    return side.own_scores or _along_the_sequence(side, of)


def worst_choice(side: Side, of: Sequenced | None) -> OwnChoice | None:
    """Of the tokens that a runtime generated after the very ids that it scored, by either of its trials that score."""
    both = (side.own_scores, _along_the_sequence(side, of))
    found = (choice for along in both for choice in _choices(side.first_ids, along))
    return max(found, key=lambda choice: choice.margin.nats, default=None)


def _along_the_sequence(side: Side, of: Sequenced | None) -> Sequence[Scored]:
    if of is None or side.prompt_ids != of.prompt:
        return ()
    place = first_different(side.first_ids, of.continuation)
    after = side.scores[of.prompt_tokens - 1 :]
    return after if place is None else after[: place + 1]


def unchecked_after(side: Side, of: Sequenced | None) -> int | None:
    """Number of the token after which nothing was scored of what a runtime generated, which is where it leaves the
    sequence; None where its own answer was scored, or where it does not leave the sequence."""
    if of is None or side.own_scores or side.prompt_ids != of.prompt:
        return None
    place = first_different(side.first_ids, of.continuation)
    return place + 1 if place is not None and place + 1 < len(side.first_ids) else None


def difference_at(place: int, theirs: Side, ours: Side, of: Sequenced | None) -> FirstDifference:
    """The first different token of two continuations of one prompt, with what the scores of both sides say of it.

    Scores say something only where they are of the same ids up to there."""
    one, other = theirs.first_ids, ours.first_ids
    common = (*(theirs.prompt_ids or ours.prompt_ids or ()), *one[:place])
    applies = of is not None and theirs.prompt_ids == ours.prompt_ids == of.prompt and of.ids[: len(common)] == common
    their_score, our_score = (side.scored_at(len(common)) if applies else None for side in (theirs, ours))
    return FirstDifference(
        at=place + 1,
        position=len(common) if applies else None,
        theirs=str(one[place]),
        ours=str(other[place]),
        their_top=their_score.top if their_score is not None else (),
        our_top=our_score.top if our_score is not None else (),
        their_margin=margin(their_score, one[place], other[place]),
        our_margin=margin(our_score, other[place], one[place]),
    )


def margin(scored: Scored | None, own: int, others: int) -> Margin | None:
    """By how much a token of its own is likelier than that of another output."""
    if scored is None:
        return None
    mine, _ = most_of(scored, own)
    theirs, at_most = most_of(scored, others)
    return Margin(nats=mine - theirs, at_least=at_most)


def smallest_lead(side: Side, of: Sequenced) -> float | None:
    """The smallest lead of the likeliest token over the second one, in nats, over the continuation that a runtime
    generated and scored; None where it did not score all of its own continuation."""
    scored = side.scores[of.prompt_tokens - 1 :]
    if not side.first_ids or side.prompt_ids != of.prompt or [s.id for s in scored] != list(side.first_ids):
        return None
    if any(len(s.top) < 2 or s.top[0][0] != s.id for s in scored):
        return None
    return min(s.top[0][1] - s.top[1][1] for s in scored)


def _choices(ids: Ids, along: Sequence[Scored]) -> Iterator[OwnChoice]:
    for number, (chosen, scored) in enumerate(zip(ids, along, strict=False), start=1):
        preferred, likeliest = scored.top[0] if scored.top else (scored.id, scored.logprob)
        logprob, at_most = most_of(scored, chosen)
        yield OwnChoice(number, chosen, preferred, Margin(nats=likeliest - logprob, at_least=at_most))
