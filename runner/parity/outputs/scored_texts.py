"""What the scores of a text mean for a runtime whose text differs from the baseline's. Pure."""

from parity.outputs.continuation import first_different
from parity.outputs.findings import Finding
from parity.outputs.pair import Pair
from parity.outputs.retokenised import Answer, apart
from parity.outputs.sides import Compared, Side


def of_scored_texts(pair: Pair, differing: Finding, *, parted: bool) -> Finding:
    """`differing`: how the two texts differ. It stays as it is where nothing says more of them. `parted`: they differ
    in a word, and not only in their length."""
    found = _of_scores(pair, differing)
    if found.verdict == "WRONG" or not parted or pair.library is None or is_contradicted(pair.compared, pair.theirs):
        return found
    said = f"{found.sentence}; both are built with {pair.library} and set up alike, which gives the same text"
    return Finding("DRIFT", said)


def is_contradicted(compared: Compared, side: Side) -> bool:
    """Whether all other runtimes that scored what a side wrote contradict one of its tokens."""
    return Answer(compared, side).contradiction is not None


def _of_scores(pair: Pair, differing: Finding) -> Finding:
    theirs, ours = pair.theirs, pair.ours
    one, other = Answer(pair.compared, theirs), Answer(pair.compared, ours)
    if not one.opinions and not other.opinions:
        return differing
    if one.temperature is None or other.temperature is None:
        return Finding("UNPROVEN", f"{differing.sentence}{_likelihoods(one, other)}")
    if one.contradiction is not None:
        said = f"{differing.sentence}, and that of the baseline is at fault: {_contradicted(one, one.contradiction)}"
        return Finding("UNPROVEN", said)
    if other.contradiction is not None:
        said = f"{differing.sentence}: {_contradicted(other, other.contradiction)}"
        if _supported(one, other, other.contradiction):
            return Finding("WRONG", said)
        return Finding("UNPROVEN", f"{said}; no scorer is shown to agree with {theirs.runtime} so far")
    by = [name for name in one.opinions if one.is_greedy_by(name) and other.is_greedy_by(name)]
    if by and first_different(one.ids, other.ids) is not None:
        scorers = " and ".join(by)
        if theirs.not_greedy or ours.not_greedy:
            said = f"both texts are such as their sampling allows by the scores of {scorers}{_likelihoods(one, other)}"
        else:
            said = f"both texts are greedy by the scores of {scorers}{_tie(one, other)}"
        return Finding("UNPROVEN", f"{differing.sentence}: {said}", acceptable=True)
    return Finding("UNPROVEN", f"{differing.sentence}: {_doubt(one, other)}{_likelihoods(one, other)}")


def _supported(baseline: Answer, judged: Answer, place: int) -> bool:
    """Whether one of those that contradict a token is the baseline, or agrees with what the baseline wrote as far."""
    against = [name for name, found in judged.opinions.items() if place < len(found) and name != judged.side.runtime]
    return baseline.side.runtime in against or any(baseline.agrees_to(name, place) for name in against)


def _contradicted(answer: Answer, place: int) -> str:
    found = {
        name: opinions[place]
        for name, opinions in answer.opinions.items()
        if place < len(opinions) and name != answer.side.runtime
    }
    prefers = ", ".join(
        f"{name} prefers {answer.quoted(opinion.preferred)} by {opinion.margin}" for name, opinion in found.items()
    )
    allowed = max(opinion.near.blamed for opinion in found.values())
    return (
        f"word {answer.words_to(place)} of {answer.side.runtime} has {answer.quoted(answer.ids[place])} as token "
        f"{place + 1}, where {prefers}, and honest engines take different tokens up to {allowed:.3g} nats"
    )


def _tie(one: Answer, other: Answer) -> str:
    """Where and by how much two greedy answers part."""
    found = apart(one, other)
    if not found:
        return ""
    said = ", ".join(
        f"{name} prefers that of {(one if nats >= 0 else other).side.runtime} by {abs(nats):.3g} nats"
        for name, nats in found.items()
    )
    return f", and part at a near-tie ({said})"


def _likelihoods(one: Answer, other: Answer) -> str:
    """How likely one scorer finds both: the baseline, if it scored both."""
    names = sorted(one.opinions, key=lambda name: name != one.side.runtime)
    for name in names:
        theirs, ours = one.mean_logprob(name), other.mean_logprob(name)
        if theirs is not None and ours is not None:
            return (
                f"; by the scores of {name}, a token has {ours:.3g} nats in that of {other.side.runtime} and "
                f"{theirs:.3g} in that of {one.side.runtime}, on average"
            )
    return ""


def _doubt(one: Answer, other: Answer) -> str:
    """Why the scores don't explain the two texts: by the scorer that explains most of them."""
    names = dict.fromkeys((*one.opinions, *other.opinions))
    name = max(names, key=lambda name: min(one.explained(name), other.explained(name)))
    answer = next((a for a in (one, other) if not a.is_greedy_by(name)), None)
    if answer is None:
        return "one holds all that is known of the other"
    place, opinions = answer.explained(name), answer.opinions.get(name, ())
    if place >= min(len(opinions), answer.judged):
        return f"what follows token {place} of {answer.side.runtime} was not checked"
    opinion = opinions[place]
    return (
        f"{name} prefers {answer.quoted(opinion.preferred)} to token {place + 1} of {answer.side.runtime}, "
        f"{answer.quoted(answer.ids[place])}, by {opinion.margin}: more than the {opinion.near.passes:.3g} nats of a "
        "near-tie, and too little, or too uncertain, to call it wrong"
    )
