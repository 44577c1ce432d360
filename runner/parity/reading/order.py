"""Events that contradict each other. Pure.

Each line may be a valid event and the whole still no account of a trial: from a second `ready`, a load time would be
taken that holds the first prompt too. The events of one trial are followed through its stages, which never go back.
"""

from collections.abc import Sequence
from enum import IntEnum

from parity.adapter.events import (
    Bye,
    Chunk,
    Count,
    Event,
    Hello,
    Phase,
    Prompt,
    Sampling,
    ScoredPosition,
    Text,
    Token,
)
from parity.records import Task


class Stage(IntEnum):
    """How far a trial has come by its events."""

    LOADING = 0
    READY = 1
    ASKED = 2
    ANSWERING = 3
    ANSWERED = 4


SINCE = {
    Stage.READY: "`ready`",
    Stage.ASKED: "the beginning of `prefill`",
    Stage.ANSWERING: "its first token",
    Stage.ANSWERED: "the end of its answer",
}
"""What began a stage, for sentences."""

LOADS = ("weights", "tokenizer")
"""Phases without which a program is not ready. A program that loads several models may load one when it is asked."""

ONCE = ("`hello`", "the end of `ready`", "the beginning of `prefill`", "the end of `prefill`", "`sampling`")


def contradiction(events: Sequence[Event], task: Task, *, own: bool = False) -> str | None:
    """The first contradiction in the events of a trial, or with what it was asked, as a sentence; None where they tell
    one story. A mark that is left out contradicts nothing. `own`: it was asked to score its own answer."""
    if not any(isinstance(event, Hello | Bye | Token) for event in events):
        # Marks that were found in what a program prints come from two streams, each in its own order.
        return None
    if any(isinstance(event, Bye) and event.reason == "probe" for event in events):
        return "it answered a trial as if it were a probe (`bye` with the reason `probe`)"
    generated = (Token, Chunk) if own else (Token, Chunk, Text)
    if task == "score" and any(isinstance(event, generated) for event in events):
        return "it was asked for scores, and generated"
    if task != "score" and any(_is_of_scores(event) for event in events):
        return "it was asked to generate, and sent scores"
    story = _Story()
    return next((wrong for event in events if (wrong := story.take(event)) is not None), None) or story.count()


def was_asked(events: Sequence[Event]) -> bool:
    """Whether the model was asked anything, by the events of the trial."""
    return any(isinstance(event, Token | Chunk | ScoredPosition) or _is_begin_of_prefill(event) for event in events)


def _is_begin_of_prefill(event: Event) -> bool:
    return isinstance(event, Phase) and (event.name, event.edge) == ("prefill", "begin")


def _is_of_scores(event: Event) -> bool:
    return isinstance(event, ScoredPosition) or (isinstance(event, Bye) and event.reason == "scored")


class _Story:
    """The stage that the events so far have come to, and what must not come again."""

    def __init__(self) -> None:
        self._stage = Stage.LOADING
        self._seen: set[str] = set()
        self._open: set[str] = set()
        self._ended_unbegun: set[str] = set()
        self._said: dict[type[Event], Event] = {}
        self._tokens = 0

    def take(self, event: Event) -> str | None:
        """What contradicts the events before, as a sentence; None where nothing does."""
        if self._stage is Stage.ANSWERING and isinstance(event, Token):
            # Most events are tokens, and where one may come, any number may.
            self._tokens += 1
            return None
        name, latest, leads_to = _place(event)
        wrong = self._out_of_place(name, latest) or self._differing(event) or self._edges(event)
        if name in ONCE:
            self._seen.add(name)
        self._tokens += isinstance(event, Token)
        self._stage = max(self._stage, leads_to)
        return wrong

    def count(self) -> str | None:
        """At the end: whether its count is that of its tokens."""
        counted = self._said.get(Count)
        if self._tokens and isinstance(counted, Count) and counted.generated != self._tokens:
            return f"it sent {self._tokens} tokens, and counted {counted.generated}"
        return None

    def _out_of_place(self, name: str, latest: Stage) -> str | None:
        if name in self._seen:
            return f"it sent {name} twice"
        if self._stage > latest and name == "the beginning of `prefill`" and self._tokens:
            return f"it sent its first token before {name}"
        if self._stage > latest:
            return f"it sent {name} after {SINCE[self._stage]}"
        if name == "the end of `prefill`" and self._tokens > 1:
            return f"it sent {name} after its second token"
        if name == "the end of `ready`" and (unfinished := [phase for phase in LOADS if phase in self._open]):
            return f"it sent {name} before the end of `{unfinished[0]}`"
        return None

    def _differing(self, event: Event) -> str | None:
        """A prompt, a text or a count may be told in several events, but not in two ways."""
        if not isinstance(event, Prompt | Text | Count):
            return None
        earlier = self._said.setdefault(type(event), event)
        told, before = event.model_dump(exclude={"t_ns"}), earlier.model_dump(exclude={"t_ns"})
        differs = any(value != before[key] for key, value in told.items() if None not in (value, before[key]))
        return f"it sent `{event.ev}` twice, with different values" if differs else None

    def _edges(self, event: Event) -> str | None:
        if not isinstance(event, Phase) or event.name == "download":
            return None
        if event.edge == "begin" and event.name in self._ended_unbegun:
            return f"it sent the end of `{event.name}` before its beginning"
        if event.edge == "begin":
            self._open.add(event.name)
        elif event.name in self._open:
            self._open.remove(event.name)
        else:
            self._ended_unbegun.add(event.name)
        return None


def _place(event: Event) -> tuple[str, Stage, Stage]:
    """How sentences name an event, the last stage in which it may come, and the stage that it leads to."""
    match event:
        case Hello():
            return "`hello`", Stage.LOADING, Stage.LOADING
        case Phase(name="ready", edge="end"):
            return "the end of `ready`", Stage.READY, Stage.READY
        case Phase(name="prefill", edge="begin"):
            return "the beginning of `prefill`", Stage.ASKED, Stage.ASKED
        case Phase(name="prefill", edge="end"):
            return "the end of `prefill`", Stage.ANSWERING, Stage.LOADING
        case Phase(name="generate", edge="end"):
            return "the end of `generate`", Stage.ANSWERED, Stage.ANSWERED
        case Phase() if event.name in LOADS:
            edge = "beginning" if event.edge == "begin" else "end"
            return f"the {edge} of `{event.name}`", Stage.LOADING, Stage.LOADING
        case Token():
            return "a token", Stage.ANSWERING, Stage.ANSWERING
        case Chunk() | ScoredPosition():
            return f"`{event.ev}`", Stage.ANSWERED, Stage.ANSWERING
        case Sampling() | Text():
            return f"`{event.ev}`", Stage.ANSWERED, Stage.ANSWERED
        case _:
            return f"`{event.ev}`", Stage.ANSWERED, Stage.LOADING
