"""What the scores of a text mean for a runtime whose text differs from the baseline's. Pure."""

from collections.abc import Sequence

from parity.outputs.continuation import first_different
from parity.outputs.findings import Finding
from parity.outputs.pair import Pair
from parity.outputs.retokenised import Answer, apart
from parity.outputs.sides import Compared, Side
from parity.outputs.texts import differ


def of_scored_texts(pair: Pair, differing: Finding, *, parted: bool) -> Finding:
    """`differing`: how the two texts differ. It stays as it is where nothing says more of them. `parted`: they differ
    in a word, and not only in their length."""
    found = _of_scores(pair, differing)
    if found.verdict == "WRONG" or not parted or pair.library is None or is_contradicted(pair.compared, pair.theirs):
        return found
    said = f"{found.sentence}; both are built with {pair.library} and set up alike, which gives the same text"
    return Finding("DRIFT", said)


def is_contradicted(compared: Compared, side: Side) -> bool:
    """Whether its own scores, or those of all other runtimes, contradict a token that a side wrote."""
    answer = Answer(compared, side)
    return answer.contradiction is not None or any(answer.contradicted_by(side.runtime))


def is_scored(compared: Compared, side: Side) -> bool:
    """Whether another runtime's scores say anything of what a side wrote."""
    return any(name != side.runtime for name in Answer(compared, side).opinions)


def _of_scores(pair: Pair, differing: Finding) -> Finding:
    theirs, ours = pair.theirs, pair.ours
    one, other = Answer(pair.compared, theirs), Answer(pair.compared, ours)
    if not one.opinions and not other.opinions:
        return differing
    if one.temperature is None or other.temperature is None:
        return Finding("UNPROVEN", f"{differing.sentence}{_likelihoods(one, other)}")
    if (fault := _fault_of(one, pair)) is not None:
        return Finding("UNPROVEN", f"{differing.sentence}, and that of the baseline is at fault: {fault}")
    if other.contradiction is not None:
        said = f"{differing.sentence}: {_contradicted(other, other.contradiction, _others(other))}"
        if _supported(one, other, other.contradiction):
            return Finding("WRONG", said)
        return Finding("UNPROVEN", f"{said}; no scorer is shown to agree with {theirs.runtime} so far")
    by = [name for name in one.opinions if one.is_greedy_by(name) and other.is_greedy_by(name)]
    doubt = _doubt_of_greed(pair, one, other, by)
    if by and doubt is None:
        scorers = " and ".join(by)
        if theirs.not_greedy or ours.not_greedy:
            said = f"both texts are such as their sampling allows by the scores of {scorers}{_likelihoods(one, other)}"
        else:
            said = f"both texts are greedy by the scores of {scorers}{_tie(one, other, by)}"
        return Finding("UNPROVEN", f"{differing.sentence}: {said}", acceptable=True)
    doubt = doubt or _doubt(one, other)
    return Finding("UNPROVEN", f"{differing.sentence}: {doubt}{_likelihoods(one, other)}")


def _fault_of(baseline: Answer, pair: Pair) -> str | None:
    """What shows that the baseline's own answer is none to compare with: its own scores contradict it; or those of all
    others do, not only those of the judged runtime and of its engine, and its own don't support it."""
    itself = baseline.side.runtime
    if (place := next(baseline.contradicted_by(itself), None)) is not None:
        return _contradicted(baseline, place, [itself])
    if baseline.contradiction is None or baseline.agrees_to(itself, baseline.contradiction):
        return None
    against = {name for name in _others(baseline) if baseline.contradiction < len(baseline.opinions[name])}
    alone = against <= pair.compared.kin(pair.ours.runtime)
    return None if alone else _contradicted(baseline, baseline.contradiction, _others(baseline))


def _doubt_of_greed(pair: Pair, one: Answer, other: Answer, by: Sequence[str]) -> str | None:
    """Why no declaration covers two texts, though some find each of their tokens the likeliest or near it."""
    for answer, name in [(side, name) for side in (one, other) for name in side.opinions]:
        if (certain := next(answer.contradicted_by(name), None)) is not None:
            return f"{name} contradicts that of {answer.side.runtime}: {_contradicted(answer, certain, [name])}"
        if by and (unlikely := answer.first_odd(name)) is not None:
            return _unlikely(answer, unlikely, name)
    if not by:
        return None
    if missing := pair.compared.missing_of_texts(pair.theirs.runtime, pair.ours.runtime):
        return "; ".join(missing)
    if not set(by) - pair.compared.kin(pair.ours.runtime):
        engine = f"no engine but that of {pair.ours.runtime}, by the scores of {' and '.join(by)},"
        return f"{engine} is shown to find both texts likely"
    place = first_different(one.ids, other.ids)
    if place is None:
        return "the tokens that are known of both are the same"
    if place >= min(one.judged, other.judged):
        return f"they part at token {place + 1}, which is the last that is known of one and may be cut"
    first, *later = pair.ours.texts.values()
    known = (next(iter(pair.theirs.texts.values())), first)
    if any(all(differ(text, other_text) for text in known) for other_text in later):
        return f"a later round of {pair.ours.runtime} gave a third text, which was not scored"
    return None


def _others(answer: Answer) -> list[str]:
    return [name for name in answer.opinions if name != answer.side.runtime]


def _supported(baseline: Answer, judged: Answer, place: int) -> bool:
    """Whether one of those that contradict a token is the baseline, or agrees with what the baseline wrote as far."""
    against = [name for name, found in judged.opinions.items() if place < len(found) and name != judged.side.runtime]
    return baseline.side.runtime in against or any(baseline.agrees_to(name, place) for name in against)


def _contradicted(answer: Answer, place: int, by: Sequence[str]) -> str:
    """What scorers prefer to a token, of those that scored it."""
    found = {name: answer.opinions[name][place] for name in by if place < len(answer.opinions[name])}
    prefers = ", ".join(
        f"{name} prefers {answer.quoted(opinion.preferred)} by {opinion.margin}" for name, opinion in found.items()
    )
    allowed = max(opinion.near.blamed for opinion in found.values())
    return (
        f"word {answer.words_to(place)} of {answer.side.runtime} has {answer.quoted(answer.ids[place])} as token "
        f"{place + 1}, where {prefers}, and honest engines take different tokens up to {allowed:.3g} nats"
    )


def _tie(one: Answer, other: Answer, by: Sequence[str]) -> str:
    """Where and by how much two answers part that some find greedy."""
    found = {name: nats for name, nats in apart(one, other).items() if name in by}
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
        return "their tokens, as far as these are known, are the same"
    place, opinions = answer.explained(name), answer.opinions.get(name, ())
    if not opinions:
        return f"nothing was scored of that of {answer.side.runtime}"
    if place >= min(len(opinions), answer.judged):
        return f"what follows token {place} of {answer.side.runtime} was not checked"
    return _unlikely(answer, place, name)


def _unlikely(answer: Answer, place: int, name: str) -> str:
    """That a scorer finds a token less likely than at a near-tie, which shows nothing for certain."""
    opinion = answer.opinions[name][place]
    if opinion.preferred == answer.ids[place]:
        return f"{name} lists nothing beside token {place + 1} of {answer.side.runtime}"
    return (
        f"{name} prefers {answer.quoted(opinion.preferred)} to token {place + 1} of {answer.side.runtime}, "
        f"{answer.quoted(answer.ids[place])}, by {opinion.margin}: more than the {opinion.near.passes:.3g} nats of a "
        "near-tie, and too little, or too uncertain, to call it wrong"
    )
