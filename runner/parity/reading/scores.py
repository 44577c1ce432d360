"""Whether a trial answered in full what the task `score` asks. Pure."""

import math
from collections.abc import Sequence
from itertools import pairwise, zip_longest

from parity.adapter.events import Bye, Event, Prompt, ScoredPosition
from parity.records import ScoreRequest

ROUNDED = 2e-6
"""Two figures for one quantity, rounded to 6 decimals, differ by less, in nats."""
ALL_LISTED = 1 - 1e-4
"""What the probabilities of all tokens that are likelier than a printed zero add up to at least."""
MOST_PROBABILITY = 1 + 1e-5
"""The most that the probabilities of distinct tokens can add up to, each with an error of some millionths."""

MOST_ROUNDED = 1.14
"""The same of a server, which may round its figures to 16 bits: BF16 rounds the log-sum-exp of logits up to 64 by up to
0.125 nats, which is in the log-probabilities of all tokens."""

MOST_IDS = 2**31
"""Of any vocabulary: ids are held in 32 bits, with a sign."""
LARGEST = 1e6
"""Of a logit, and so of a log-probability, in nats: far beyond that of any model."""


def unanswered(request: ScoreRequest, events: Sequence[Event]) -> str | None:
    """What is missing from the scores of a sequence, or wrong with them, as a sentence; None where nothing is."""
    scored = [event for event in events if isinstance(event, ScoredPosition)]
    if request.own:
        return _wrong_own(request, scored) or _not_ended(events)
    prompt = next((event for event in events if isinstance(event, Prompt)), None)
    asked = request.ids[: request.prompt_tokens]
    if prompt is None or prompt.ids is None:
        return "it did not show the ids of its `prompt`"
    if tuple(prompt.ids) != asked:
        return f"the ids of its `prompt` are not the first {len(asked)} of the sequence that it was to score"
    for position, (token, score) in enumerate(zip_longest(request.ids[1:], scored), start=1):
        if (wrong := _wrong(request, position, token, score)) is not None:
            return wrong
    return _not_ended(events)


def _not_ended(events: Sequence[Event]) -> str | None:
    last = events[-1]
    if not isinstance(last, Bye):
        return "its events end without `bye`"
    return None if last.reason == "scored" else f"it scored every position, and sent `bye` with `{last.reason}`"


def _wrong_own(request: ScoreRequest, scored: Sequence[ScoredPosition]) -> str | None:
    """What is wrong with the scores of the tokens that follow the prompt, whichever they are."""
    if not scored:
        return "it scored no token of its answer"
    for position, score in enumerate(scored, start=request.prompt_tokens):
        if score.position != position:
            return f"its score of token {position - request.prompt_tokens + 1} is that of position {score.position}"
        if (wrong := _beyond(score) or _wrong_top(request.top, score, MOST_ROUNDED)) is not None:
            return wrong
    return None


def _wrong(request: ScoreRequest, position: int, token: int | None, score: ScoredPosition | None) -> str | None:
    """What is wrong with the score that stands where that of a position belongs."""
    if score is None:
        return f"it scored {position - 1} of {len(request.ids) - 1} positions"
    if token is None:
        return f"it sent more scores than the sequence has positions, which are {len(request.ids) - 1}"
    if score.position != position:
        return f"its score number {position} is that of position {score.position}"
    if score.id != token:
        return f"it scored id {score.id} at position {position}, and the sequence has {token} there"
    return _beyond(score) or _wrong_top(request.top, score)


def _beyond(score: ScoredPosition) -> str | None:
    """That an id or a figure can't be one."""
    odd = next((token for token, _ in score.top if not 0 <= token < MOST_IDS), None)
    if odd is not None:
        return f"at position {score.position} it lists id {odd}, which no vocabulary has"
    figures = (score.logprob, score.logsumexp or 0.0, *(logprob for _, logprob in score.top))
    huge = next((figure for figure in figures if not abs(figure) <= LARGEST), None)
    return None if huge is None else f"at position {score.position} it shows {huge:g} nats, which no model computes"


def _wrong_top(most: int, score: ScoredPosition, most_probability: float = MOST_PROBABILITY) -> str | None:
    """What is wrong with the likeliest tokens of a position."""
    at = f"at position {score.position}"
    likely = dict(score.top)
    total = math.fsum(math.exp(min(value, 1.0)) for value in likely.values())
    if len(score.top) > most or (len(score.top) < most and total < ALL_LISTED):
        return f"{at} it shows {len(score.top)} of the likeliest tokens, and {most} were asked for"
    if len(likely) < len(score.top):
        return f"{at} one id is twice among the likeliest tokens"
    if any(later > earlier for (_, earlier), (_, later) in pairwise(score.top)):
        return f"{at} the likeliest tokens are not sorted by their log-probabilities"
    if total > most_probability:
        return f"{at} the probabilities of the likeliest tokens add up to more than 1"
    if score.id in likely and abs(likely[score.id] - score.logprob) > ROUNDED:
        return f"{at} id {score.id} has the log-probability {score.logprob}, and {likely[score.id]} among the likeliest"
    if score.id not in likely and score.logprob > score.top[-1][1] + ROUNDED:
        return f"{at} id {score.id} is likelier than the last of the likeliest tokens, and not among them"
    return None
