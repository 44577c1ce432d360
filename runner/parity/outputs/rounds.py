"""Whether a greedy runtime gave one output in all measured rounds. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from parity.outputs.continuation import first_different, margin
from parity.outputs.findings import Finding, Near
from parity.outputs.retokenised import Answer
from parity.outputs.sides import Compared, Side
from parity.records import Margin, Scored
from parity.units import noun_for


@dataclass(frozen=True)
class Varying:
    """`margins`: for each round that gave other ids than the first, by how much the runtime's own scores prefer the
    first's token where they part; None where they don't say."""

    sentence: str
    margins: tuple[Margin | None, ...]


def varying(side: Side, along: Sequence[Scored]) -> Varying | None:
    """In which rounds a greedy runtime gave a different output than in its first; None where it gave one. By text only
    where it shows no ids, and by its words. `along`: what it scored for each of its first round's tokens."""
    if side.not_greedy is not None:
        return None
    shown: Mapping[int, tuple[object, ...]] = side.ids
    if not shown:
        shown = {number: tuple(text.split()) for number, text in side.printed.items()}
    if not any(shown.values()):
        return None
    first = next(iter(shown.values()))
    odd = [number for number, output in shown.items() if output != first]
    if not odd:
        return None
    rounds = f"{noun_for(len(odd), 'round')} {', '.join(map(str, odd))} of {len(shown)}"
    what = "token ids" if side.ids else "text"
    said = f"{side.runtime} is not deterministic: {rounds} gave other {what} than round {next(iter(shown))}"
    return Varying(said, tuple(_margins(side, odd, along)))


def of_varying(found: Varying, near: Near, excuse: str | None = None) -> Finding:
    """Where sums are computed in a different order from run to run, as on a GPU, tokens may flip at a near-tie. What
    follows one is not scored. `excuse`: why they may, where its own scores don't tell how close tokens were."""
    if excuse is not None:
        return Finding("UNPROVEN", f"{found.sentence}, {excuse}", alone=True)
    known = [margin for margin in found.margins if margin is not None]
    if len(known) < len(found.margins) or any(abs(margin.nats) > near.blamed for margin in known):
        return Finding("WRONG", found.sentence, alone=True)
    largest = max(abs(margin.nats) for margin in known)
    tie = largest <= near.passes and not any(margin.at_least for margin in known)
    where = (
        f"at a near-tie by its own scores ({largest:.3g} nats)"
        if tie
        else f"by its own scores {largest:.3g} nats apart"
    )
    return Finding("UNPROVEN", f"{found.sentence}, {where}; what follows was not checked", alone=True)


def ties_of(compared: Compared, side: Side) -> str | None:
    """That the texts of a runtime without ids part where no other runtime that scored the first one tells the tokens
    apart by more than honest engines differ; None where one does, or nothing shows that."""
    answer = Answer(compared, side)
    first, odd = answer.ids, [trial.text_ids or () for trial in side.trials if trial.text_ids != answer.ids]
    places = [first_different(first, ids) for ids in odd]
    scorers = []
    for name in (name for name in answer.opinions if name != side.runtime):
        along, opinions = answer.along(name), answer.opinions[name]
        for place, ids in zip(places, odd, strict=True):
            if place is None or place >= len(along):
                return None
            gap = margin(along[place], first[place], ids[place])
            if gap is None or abs(gap.nats) > opinions[place].near.blamed:
                return None
        scorers.append(name)
    if not scorers or not odd:
        return None
    return f"where the scores of {' and '.join(scorers)} do not tell the tokens apart; what follows was not checked"


def _margins(side: Side, odd: Sequence[int], along: Sequence[Scored]) -> Iterator[Margin | None]:
    for number in odd:
        place = first_different(side.first_ids, side.ids[number]) if side.ids else None
        known = place is not None and place < len(along)
        yield (
            margin(along[place], side.first_ids[place], side.ids[number][place])
            if known and place is not None
            else None
        )
