"""Events that contradict each other. Pure.

Each line may be a valid event and the whole still no account of a trial: from a second `ready`, a load time would be
taken that holds the first prompt too.
"""

from collections.abc import Sequence

from parity.adapter.events import Bye, Chunk, Event, Hello, Phase, ScoredPosition, Text, Token
from parity.records import Task


def contradiction(events: Sequence[Event], task: Task) -> str | None:
    """The first contradiction in the events of a trial, or with what it was asked, as a sentence; None where they tell
    one story."""
    if sum(isinstance(event, Hello) for event in events) > 1:
        return "it sent `hello` twice"
    if any(isinstance(event, Bye) and event.reason == "probe" for event in events):
        return "it answered a trial as if it were a probe (`bye` with the reason `probe`)"
    if task == "score" and any(isinstance(event, Token | Chunk | Text) for event in events):
        return "it was asked for scores, and generated"
    if task != "score" and any(_is_of_scores(event) for event in events):
        return "it was asked to generate, and sent scores"
    tokens = [k for k, event in enumerate(events) if isinstance(event, Token)]
    ready = _places(events, "ready", "end")
    if tokens and len(ready) > 1:
        return "it sent the end of `ready` twice"
    if tokens and any(place > tokens[0] for place in ready):
        return "it sent the end of `ready` after its first token"
    begun = _places(events, "prefill", "begin")
    if tokens and any(place > tokens[0] for place in begun):
        return "it sent its first token before the beginning of `prefill`"
    return _ended_before_begun(events)


def _is_of_scores(event: Event) -> bool:
    return isinstance(event, ScoredPosition) or (isinstance(event, Bye) and event.reason == "scored")


def _ended_before_begun(events: Sequence[Event]) -> str | None:
    for name in dict.fromkeys(event.name for event in events if isinstance(event, Phase)):
        begins, ends = _places(events, name, "begin"), _places(events, name, "end")
        if begins and ends and ends[0] < begins[0]:
            return f"it sent the end of `{name}` before its beginning"
    return None


def _places(events: Sequence[Event], name: str, edge: str) -> list[int]:
    return [k for k, e in enumerate(events) if isinstance(e, Phase) and e.name == name and e.edge == edge]
