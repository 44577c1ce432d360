"""What each runtime of one model and test shows of its output, from its trials. Pure."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property

from parity.outputs.distances import bits_of, distances, in_common, known, same_sequence
from parity.outputs.engines import Engine, akin, engine_of
from parity.outputs.floors import HALF, QUANTISED, of_largest
from parity.outputs.missing import Missing, last_try, why_missing
from parity.reading.departures import CHANGED
from parity.reading.facts import facts_in
from parity.reading.sampling import GREEDY
from parity.records import OWN, SHARED, Distances, Identity, Scored, Span, Trial, TrialKind

Ids = tuple[int, ...]

THE_SEQUENCE = "the sequence"

PAST_END = "past_end"
"""The setting by which a program says that it can't show where its text would have ended."""

STOPS_AT_END = "end token or token budget"
"""The stop rule as programs that speak the event protocol report it."""


@dataclass(frozen=True)
class Sequenced:
    """The ids that were scored: a prompt, then a continuation."""

    ids: Ids
    prompt_tokens: int

    @property
    def prompt(self) -> Ids:
        return self.ids[: self.prompt_tokens]

    @property
    def continuation(self) -> Ids:
        return self.ids[self.prompt_tokens :]


@dataclass(frozen=True)
class Compared:
    """All that is judged of one model and test. `trials`: those that generate and count; `scored`: those of the task
    `score`; `asked`: a gate asked for such. `greedy`: the test takes the likeliest token. `quantisation`: tensor type
    of the model → number of tensors. `declared`: runtime → fact → why a difference in it is intended. `exact`: the
    trials of the exact arm, of the kind `exact`, in the order of the config. `no_exact`: why there are none, though
    they were asked for. `libraries`: runtime → the libraries that decide what it computes, with what tells one build
    of them from others. `not_begun`: runtime, kind and round of the trials of the task `score` that were due → why they
    were not run. `text_rounds`: runtime → the round in which others score its text. `own_models`: the runtimes that
    load a model of their own."""

    model: str
    test: str
    baseline: str
    trials: Sequence[Trial]
    scored: Sequence[Trial] = ()
    asked: bool = True
    greedy: bool = True
    quantisation: Mapping[str, int] = field(default_factory=dict)
    declared: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    exact: Sequence[Trial] = ()
    no_exact: str | None = None
    libraries: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    not_begun: Mapping[tuple[str, TrialKind, int], str] = field(default_factory=dict)
    text_rounds: Mapping[str, int] = field(default_factory=dict)
    own_models: Set[str] = frozenset()
    _apart: dict[tuple[int, int], Distances] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def sides(self) -> Mapping[str, "Side"]:
        """Runtime → what it shows, in the order of the trials."""
        names = dict.fromkeys(trial.runtime for trial in (*self.trials, *self._scored))
        return {name: self._side(name) for name in names}

    def scorings(self, runtime: str) -> list[Trial]:
        """The trials in which a runtime scored something of this run, on the test's weights, and gave a result."""
        good = [t for t in self.scored if (t.runtime, t.kind) == (runtime, "full") and t.failure is None]
        return [t for t in good if not any(d.fact in ("weights", "device", CHANGED) for d in t.departures)]

    @cached_property
    def pieces(self) -> Mapping[int, bytes]:
        """Id → what its token writes, of those that the trials name."""
        trials = (*self.trials, *self.scored)
        return {token: piece for trial in trials for token, piece in trial.pieces.items()}

    @cached_property
    def engines(self) -> Mapping[str, Engine]:
        """Runtime → what tells its engine."""
        return {name: engine_of(self._ran(side), self.libraries.get(name)) for name, side in self.sides.items()}

    def kin(self, runtime: str) -> frozenset[str]:
        """The runtimes that are, or may be, one engine with a runtime, itself too: what they have in common may be a
        fault."""
        ours = self.engines[runtime]
        return frozenset(name for name, engine in self.engines.items() if akin(engine, ours))

    def _ran(self, side: "Side") -> Identity | None:
        return side.identity or next((trial.identity for trial in self.scorings(side.runtime)), None)

    def _side(self, runtime: str) -> "Side":
        good = [t for t in self.trials if t.runtime == runtime and t.is_measured and t.kind == "full"]
        good = [t for t in good if t.failure is None]
        score, own = (self._tried(runtime, number) for number in (SHARED, OWN))
        missing = [
            why_missing(runtime, tried, self.not_begun.get((runtime, "full", number)), what)
            for tried, number, what in ((score, SHARED, THE_SEQUENCE), (own, OWN, "its own answer"))
        ]
        known = tuple(found for found in missing if found is not None)
        return Side(runtime, tuple(good), score, own, self.greedy, self.declared.get(runtime, {}), known)

    def _tried(self, runtime: str, number: int) -> Trial | None:
        return last_try([t for t in self._scored if t.runtime == runtime and t.round == number])

    def missing_of_texts(self, *runtimes: str) -> list[str]:
        """Why trials that were due to score the texts of some runtimes, or the sequence, gave no result."""
        wanted = {SHARED: THE_SEQUENCE}
        wanted |= {self.text_rounds[name]: f"the text of {name}" for name in runtimes if name in self.text_rounds}
        due = dict.fromkeys((t.runtime, t.round) for t in self._scored if t.round in wanted)
        due |= {(name, k): None for name, kind, k in self.not_begun if kind == "full" and k in wanted}
        found = (
            why_missing(name, self._tried(name, k), self.not_begun.get((name, "full", k)), wanted[k]) for name, k in due
        )
        return [why.said for why in found if why is not None]

    @cached_property
    def sequence(self) -> Sequenced | None:
        """What was scored, by the first trial that shows its prompt and its scores."""
        for side in self.sides.values():
            prompt = side.score.prompt_ids if side.score is not None and side.scores else None
            if prompt is not None and [s.id for s in side.scores[: len(prompt) - 1]] == list(prompt[1:]):
                return Sequenced((prompt[0], *(s.id for s in side.scores)), len(prompt))
        return None

    @cached_property
    def scores(self) -> Mapping[str, Sequence[Scored]]:
        """Runtime → its scores, of those that scored the sequence; the baseline first. One that scores its own answer
        alone scored the sequence as far as that is the same."""
        of = self.sequence
        if of is None:
            return {}
        sides = sorted(self.sides.values(), key=lambda side: side.runtime != self.baseline)
        of_sequence = [s for s in sides if [x.id for x in s.scores] == list(of.ids[1:])]
        first = of_sequence[0].scores
        found = {side.runtime: side.scores for side in of_sequence if same_sequence(side.scores, first)}
        in_part = {side.runtime: found.get(side.runtime) or side.answer_along(of) for side in sides}
        return {name: scores for name, scores in in_part.items() if scores}

    def apart(self, theirs: Sequence[Scored], ours: Sequence[Scored]) -> Distances:
        """The distances between two that scored the sequence, computed once for all verdicts; over the positions that
        both scored."""
        assert self.sequence is not None, "what is compared scored the sequence"
        pair = id(theirs), id(ours)
        if pair not in self._apart:
            self._apart[pair] = distances(*in_common(theirs, ours), self.sequence.prompt_tokens)
        return self._apart[pair]

    @cached_property
    def _scored(self) -> Sequence[Trial]:
        """Those of the runtimes themselves: what the exact arm scored is no runtime's own."""
        return [trial for trial in self.scored if trial.kind != "exact"]


@dataclass(frozen=True)
class Side:
    """One runtime. `trials`: its measured trials that gave a result; `score`: its trial that scored the sequence which
    all score; `own`: the one that scored its own prompt and answer; `missing`: why these gave no result, of those that
    were due."""

    runtime: str
    trials: tuple[Trial, ...]
    score: Trial | None
    own: Trial | None
    asked_greedy: bool
    declared: Mapping[str, str]
    missing: tuple[Missing, ...] = ()

    @property
    def identity(self) -> Identity | None:
        return next((trial.identity for trial in self.trials if trial.identity is not None), None)

    @property
    def score_identity(self) -> Identity | None:
        """Of the trial that scored the sequence."""
        return self.score.identity if self.score is not None else None

    @property
    def prompt_ids(self) -> Ids | None:
        return next((trial.prompt_ids for trial in self.trials if trial.prompt_ids is not None), None)

    @property
    def ids(self) -> Mapping[int, Ids]:
        """Round → the ids that it generated; empty unless every trial shows them. Where no trial does, those of the one
        that scored its own answer stand for all that gave the same text."""
        found = {trial.round: trial.output_ids for trial in self.trials if trial.output_ids}
        if not found and self._answer is not None and self._answer.output_ids:
            same = [trial.text == self._answer.text for trial in self.trials]
            found = {trial.round: self._answer.output_ids for trial in self.trials} if all(same) else {}
        return found if len(found) == len(self.trials) else {}

    @property
    def _answer(self) -> Trial | None:
        """The trial that scored its own answer alone, after the prompt of the others."""
        own = self.own
        if own is None or own.failure is not None or not own.answer_scored or own.prompt_ids != self.prompt_ids:
            return None
        return own

    @property
    def blamed_beyond(self) -> tuple[Span, ...]:
        """What a runtime that scores its own answer may differ by at least, before multiples of it are called drift. It
        says little of how it computes, and some round what they show to 16 bits."""
        if self._answer is None:
            return ()
        return (QUANTISED if bits_of(self._answer.scores) is not None else of_largest(HALF),)

    def answer_along(self, of: Sequenced) -> tuple[Scored, ...]:
        """What it scored of its own answer, as far as that is the sequence's; and of the sequence's token where they
        part, if that is listed."""
        if self._answer is None or self._answer.prompt_ids != of.prompt:
            return ()
        found = []
        for token, scored in zip(of.continuation, self._answer.scores, strict=False):
            if token not in known(scored):
                break
            found.append(scored.but(id=token, logprob=known(scored)[token]))
            if token != scored.id:
                break
        return tuple(found)

    def scored_at(self, position: int) -> Scored | None:
        """What it scored at a position of the sequence, or of its own answer."""
        answer = self._answer.scores if self._answer is not None else ()
        return next((scored for scored in (*self.scores, *answer) if scored.position == position), None)

    @property
    def texts(self) -> Mapping[int, str]:
        """Round → the text that it generated; empty unless every trial shows some."""
        found = {trial.round: trial.text for trial in self.trials if trial.text is not None and trial.text.split()}
        return found if len(found) == len(self.trials) else {}

    @property
    def printed(self) -> Mapping[int, str]:
        """As `texts`, but white space alone counts, too."""
        found = {trial.round: trial.text for trial in self.trials if trial.text is not None}
        return found if len(found) == len(self.trials) else {}

    @property
    def first_ids(self) -> Ids:
        """Those of its first round; empty where it shows none."""
        return next(iter(self.ids.values()), ())

    @property
    def text_ids(self) -> Ids:
        """Of the text of its first round, by the model's own tokenizer; empty where it shows ids of its own."""
        return next((trial.text_ids or () for trial in self.trials), ()) if not self.ids else ()

    @property
    def shows_end(self) -> bool:
        """Whether its ids end with an end token."""
        shown = self.trials[:1] if any(trial.output_ids for trial in self.trials) or not self.ids else (self.own,)
        return any(trial is not None and trial.shows_end for trial in shown)

    @property
    def met_end(self) -> bool:
        """Whether an end token is among its ids, where its text stops."""
        return any(trial.met_end for trial in self.trials[:1])

    @property
    def stops_at_end(self) -> bool:
        """Whether it says that its generation stops at an end token."""
        settings = self.identity.settings if self.identity is not None else {}
        return facts_in(settings).get("stop_rule") == STOPS_AT_END

    @property
    def past_end(self) -> bool:
        """Whether its text goes on where its first end token was, or would have been."""
        return self.identity is not None and self.identity.settings.get(PAST_END) is True

    @property
    def ended(self) -> bool:
        """Whether its generation ended at an end token, shown or not."""
        first = next(iter(self.trials), None)
        if first is None or first.identity is None:
            return False
        return first.identity.ended_early and all(departure.fact != "tokens" for departure in first.departures)

    @property
    def scores(self) -> tuple[Scored, ...]:
        return self.score.scores if self.score is not None and self.score.failure is None else ()

    @property
    def own_scores(self) -> tuple[Scored, ...]:
        """Of each token of its own answer; empty where it did not score that after its own prompt."""
        own, prompt = self.own, self.prompt_ids
        if self._answer is not None:
            return self._answer.scores if self.first_ids else ()
        if own is None or own.failure is not None or prompt is None or own.prompt_ids != prompt:
            return ()
        if [s.id for s in own.scores] != [*prompt[1:], *self.first_ids]:
            return ()
        return own.scores[len(prompt) - 1 :]

    @property
    def not_scored(self) -> str:
        """Why there are no scores."""
        if not self.asked_greedy:
            return f"{self.runtime} was not asked to score, since the test samples its tokens"
        if self.missing and not self.scores:
            return self.missing[0].said
        if self._answer is not None and self._answer.scores:
            return f"{self.runtime} scores its own answer alone, and no ids that it is given"
        if self.own is not None and self.own.answer_scored:
            return (
                f"{self.runtime} shows log-probabilities of its own answer, and either its prompt is not that of the "
                "others, or their ids don't write its text, or its likeliest first token is an end token, which it was "
                "told not to choose"
            )
        if self.score is None:
            return (
                f"{self.runtime} was not asked to score the sequence: it can't, no trial shows the ids of a prompt and "
                "an answer, or the run ended before that"
            )
        return f"{self.runtime} scored no position"

    @property
    def not_greedy(self) -> str | None:
        """Why its output is not a greedy one; None where it is."""
        if not self.asked_greedy:
            return "the test samples its tokens"
        departed = (d for trial in self.trials for d in trial.departures if d.fact == "sampling")
        if (departure := next(departed, None)) is not None:
            return f"{self.runtime} is not greedy: {departure.sentence}"
        for trial in self.trials:
            if trial.identity is not None and trial.identity.sampling != GREEDY:
                shown = trial.identity.sampling
                said = f"{self.runtime} sampled by {shown}" if shown else f"nothing shows how {self.runtime} samples"
                return f"{said}, which is not greedy" if shown else said
        return None

    @property
    def unsound(self) -> str | None:
        """Why its output says nothing of the test's model: it ran other weights, something changed meanwhile, or it
        scored on a different device than the one that the config asks for."""
        for trial in (*self.trials, *(trial for trial in (self.score, self.own) if trial is not None)):
            other_weights = trial.identity is not None and trial.identity.weights_sha256 is not None
            for departure in trial.departures:
                known = departure.fact == "weights" and other_weights
                known = known or (departure.fact == "device" and trial.task == "score")
                if (known and departure.fact not in self.declared) or departure.fact == CHANGED:
                    return f"{self.runtime}: {departure.sentence}"
        return None
