"""Searches for the shortest sequence that shows a fault at the first position that does."""

from dataclasses import dataclass

from parity.outputs.apart import next_length
from parity.records import Scored
from parity.run.bisect.case import Case
from parity.run.bisect.records import Apart, Bisected, Place, PromptsPart, Shortest, Token
from parity.run.bisect.reproducing import command_lines
from parity.run.bisect.text import TextOf, texts, token
from parity.run.bisect.trials import InterruptedSearchError, StoppedError, Trials

RESULT = "bisect.json"
"""Within the folder of a search."""

SHOWN = 3
"""Likeliest tokens of each side that are shown."""


def recorded(case: Case, text: TextOf) -> Bisected:
    """What the run's own records say, without any trial."""
    model, test, runtime = case.cell
    place = _place(case, text) if case.shown_by == "scores" else None
    return Bisected(
        model=model,
        test=test,
        runtime=runtime,
        baseline=case.theirs.runtime,
        verdict=case.verdict.verdict,
        sentence=case.verdict.sentence,
        shown_by=case.shown_by,
        prompts=_prompts(case, text) if case.shown_by == "prompt" else None,
        place=place,
        parts=case.verdict.first_difference,
        not_scored=None if place is not None or case.shown_by == "prompt" else _not_scored(case),
        top=texts(_ids_shown(place), text) if place is not None else {},
    )


@dataclass(frozen=True)
class Search:
    """`found`: what is known without trials, of a case whose scores show the fault."""

    case: Case
    found: Bisected
    trials: Trials
    text: TextOf

    def run(self) -> Bisected:
        """The shortest sequence that shows it, or why the search stopped. `bisect.json` holds the result."""
        try:
            found = self.found.but(shortest=self._shortest())
        except StoppedError as error:
            found = self.found.but(stopped=str(error), interrupted=isinstance(error, InterruptedSearchError))
        self.trials.session.folder.write(RESULT, found.model_dump_json(indent=2) + "\n")
        return found

    def _shortest(self) -> Shortest:
        context, bound = self.case.context, self.case.apart[1]
        tried: dict[int, bool] = {}
        while (length := next_length(tried, len(context))) is not None:
            tried[length] = self.trials.apart(context[-length:]).kl > bound.shows
        length = min((n for n, shows in tried.items() if shows), default=len(context))
        ids = context[-length:]
        if length in tried:
            first, again = self.trials.apart(ids), self.trials.apart(ids, attempt=2)
        else:
            # The run itself showed it with all ids.
            again = self.trials.apart(ids)
            theirs, ours = self.case.apart[0]
            first = Apart(theirs=theirs, ours=ours, kl=self.case.kl)
        return Shortest(
            ids=ids,
            text=self.text(ids),
            apart=first,
            whole=length == len(context),
            repeated=again.kl > bound.shows,
            tried=tried,
            reproduce=command_lines(self.trials, ids),
        )


def _place(case: Case, text: TextOf) -> Place:
    (theirs, ours), bound = case.apart
    sequence = case.pair.sequence
    assert sequence is not None, "it was scored"
    number = theirs.position - sequence.prompt_tokens + 1
    return Place(
        position=theirs.position,
        positions=len(sequence.ids),
        token=number if number > 0 else None,
        scored=token(theirs.id, text),
        apart=Apart(theirs=theirs, ours=ours, kl=case.kl),
        bound=bound,
    )


def _ids_shown(place: Place) -> list[int]:
    sides: tuple[Scored, ...] = (place.apart.theirs, place.apart.ours)
    return [place.scored.id, *(found for side in sides for found, _ in side.top[:SHOWN])]


def _prompts(case: Case, text: TextOf) -> PromptsPart:
    one, other = case.theirs.prompt_ids, case.ours.prompt_ids
    if one is None or other is None:
        return PromptsPart()
    longest = max(len(one), len(other))
    at = next((k for k in range(longest) if one[k : k + 1] != other[k : k + 1]), None)
    if at is None:
        return PromptsPart()
    return PromptsPart(at=at, theirs=_token_at(one, at, text), ours=_token_at(other, at, text))


def _token_at(ids: tuple[int, ...], at: int, text: TextOf) -> Token | None:
    return token(ids[at], text) if at < len(ids) else None


def _not_scored(case: Case) -> str:
    silent = [side.not_scored for side in (case.theirs, case.ours) if not side.scores]
    if silent:
        return "; ".join(silent)
    scores = next(rung for rung in case.verdict.rungs if rung.name == "scores")
    if scores.state in ("same", "within"):
        return (
            f"the scores of both sides agree ({scores.detail}), so that no sequence of ids shows it when it is scored"
        )
    return scores.detail
