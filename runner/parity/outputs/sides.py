"""What each runtime of one model and test shows of its output, from its trials. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from parity.reading.sampling import GREEDY
from parity.records import Identity, Scored, Trial

Ids = tuple[int, ...]

CHANGED = "changed"
"""The fact of a departure of what changed while the run went on; no declaration covers it."""


@dataclass(frozen=True)
class Compared:
    """All that is judged of one model and test. `trials`: those that generate and count; `scored`: those of the task
    `score`. `greedy`: the test takes the likeliest token. `quantisation`: tensor type of the model → number of tensors.
    `declared`: runtime → fact → why a difference in it is intended."""

    model: str
    test: str
    baseline: str
    trials: Sequence[Trial]
    scored: Sequence[Trial] = ()
    greedy: bool = True
    quantisation: Mapping[str, int] = field(default_factory=dict)
    declared: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @cached_property
    def sides(self) -> Mapping[str, "Side"]:
        """Runtime → what it shows, in the order of the trials."""
        names = dict.fromkeys(trial.runtime for trial in (*self.trials, *self.scored))
        return {name: self._side(name) for name in names}

    def _side(self, runtime: str) -> "Side":
        good = [t for t in self.trials if t.runtime == runtime and t.is_measured and t.kind == "full"]
        good = [t for t in good if t.failure is None]
        tries = [t for t in self.scored if t.runtime == runtime]
        last = max(tries, key=lambda trial: trial.attempt, default=None)
        return Side(runtime, tuple(good), last, self.greedy, self.declared.get(runtime, {}))


@dataclass(frozen=True)
class Side:
    """One runtime. `trials`: its measured trials that gave a result; `score`: its last trial of that task."""

    runtime: str
    trials: tuple[Trial, ...]
    score: Trial | None
    asked_greedy: bool
    declared: Mapping[str, str]

    @property
    def identity(self) -> Identity | None:
        return next((trial.identity for trial in self.trials if trial.identity is not None), None)

    @property
    def prompt_ids(self) -> Ids | None:
        return next((trial.prompt_ids for trial in self.trials if trial.prompt_ids is not None), None)

    @property
    def ids(self) -> Mapping[int, Ids]:
        """Round → the ids that it generated; empty unless every trial shows them."""
        found = {trial.round: trial.output_ids for trial in self.trials if trial.output_ids}
        return found if len(found) == len(self.trials) else {}

    @property
    def texts(self) -> Mapping[int, str]:
        """Round → the text that it generated; empty unless every trial shows some."""
        found = {trial.round: trial.text for trial in self.trials if trial.text is not None and trial.text.split()}
        return found if len(found) == len(self.trials) else {}

    @property
    def scores(self) -> tuple[Scored, ...]:
        return self.score.scores if self.score is not None and self.score.failure is None else ()

    @property
    def not_scored(self) -> str:
        """Why there are no scores."""
        if self.score is None:
            return f"{self.runtime} was not asked to score the sequence"
        if self.score.failure is not None:
            return (
                f"{self.runtime} failed to score the sequence ({self.score.failure.kind}: {self.score.failure.message})"
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
        """Why its output says nothing of the test's model: it ran other weights, or something changed meanwhile."""
        for trial in self.trials:
            other_weights = trial.identity is not None and trial.identity.weights_sha256 is not None
            for departure in trial.departures:
                odd = departure.fact == "weights" and other_weights and "weights" not in self.declared
                if odd or departure.fact == CHANGED:
                    return f"{self.runtime}: {departure.sentence}"
        return None
