"""How an adapter reads the output of a trial, as it is and damaged. Pure.

Damaged output may be refused, or read as what it was. It must never be read as a good result that says something else.
"""

from collections.abc import Callable, Iterator
from itertools import groupby, pairwise
from typing import Any

from parity.adapter import Adapter, ReadError
from parity.adapter.events import Chunk, Count, Event, EventBase, Prompt, RuntimeFigure, ScoredPosition, Text, Token
from parity.reading.order import contradiction
from parity.reading.outcome import classify
from parity.records import Failure, Job
from parity.run.conformance import damage
from parity.run.conformance.wrong import WrongError
from parity.transcript import Stream, Transcript

Check = Callable[[Adapter[Any], Transcript, Job], Iterator[str]]

TO_READ_IT_WHOLE = {
    False: "raise ReadError unless something shows that the output is complete",
    True: "let a pattern match a line that the program prints once, after all that is read; where it prints none, make "
    "it print one, or print events",
}
"""Whether the patterns are a config's → what to do about a result that is read from half of the output."""


def result(adapter: Adapter[Any], transcript: Transcript, job: Job) -> Iterator[str]:
    """The trial is read as a good result: without it, nothing further can be checked."""
    failure = _read(adapter, transcript, job)[1]
    about_events = (*order(adapter, transcript, job), *tokens(adapter, transcript, job))
    if failure is not None and not about_events:
        yield f"the trial is read as failed ({failure.kind}: {failure.message})"


def order(adapter: Adapter[Any], transcript: Transcript, job: Job) -> Iterator[str]:
    """Events come in the order of their stamps, in the order of the protocol, and between spawn and end."""
    events, _ = _read(adapter, transcript, job)
    for one, other in pairwise(events):
        if other.t_ns < one.t_ns:
            yield f"`{other.ev}` is stamped {(one.t_ns - other.t_ns) / 1e6:.3f} ms before the `{one.ev}` ahead of it"
            break
    spawned = transcript.spawn.t_ns if transcript.spawn else 0
    ended = max([transcript.end.t_ns if transcript.end else 0, *(piece.t_ns for piece in transcript.pieces)])
    for event in events:
        if not spawned <= event.t_ns <= ended:
            yield f"`{event.ev}` is stamped outside the time of the process\nstamp events in ns of the monotonic clock"
            break
    own = job.score is not None and job.score.own
    if (wrong := contradiction(events, job.task, own=own)) is not None:
        yield wrong


def tokens(adapter: Adapter[Any], transcript: Transcript, job: Job) -> Iterator[str]:
    """Tokens are numbered from 1, no more than were asked for, as many as are counted, and have a text."""
    events, _ = _read(adapter, transcript, job)
    shown = [event for event in events if isinstance(event, Token)]
    if [token.k for token in shown] != list(range(1, len(shown) + 1)):
        yield "its tokens are not numbered 1, 2, 3, …"
    counted = next((event.generated for event in events if isinstance(event, Count)), None)
    if shown and counted not in (None, len(shown)):
        yield f"it counts {counted} tokens, and shows {len(shown)}"
    number = len(shown) or counted or 0
    if job.task == "generate" and number > job.test.max_tokens:
        yield f"it generated {number} tokens, and was asked for {job.test.max_tokens}"
    if shown and job.task == "generate" and not any(isinstance(event, Text) for event in events):
        yield "it shows tokens and no `text`, so that its answer can't be compared\nsend the text"


def repeatable(adapter: Adapter[Any], transcript: Transcript, job: Job) -> Iterator[str]:
    """The same output gives the same events each time, also where a read ends within a line or a character."""
    first, again = _read(adapter, transcript, job)[0], _read(adapter, transcript, job)[0]
    if first != again:
        yield "`read` gives other events for the same transcript each time\nmake it a pure function"
        return
    cut = _read(adapter, damage.split(transcript), job)[0]
    if _joined(cut) != _joined(first):
        yield (
            "`read` gives other events if the same output arrives byte by byte\na read may end within a line or "
            "a character: use `transcript.lines` or `transcript.text_between`"
        )


def truncated(adapter: Adapter[Any], transcript: Transcript, job: Job) -> Iterator[str]:
    """Output that is cut off is no good result, unless nothing of it is missing."""
    whole = _told(_read(adapter, transcript, job)[0], text=True)
    streams: tuple[Stream, Stream] = ("out", "err")
    for stream in streams:
        for place, cut in damage.cuts(transcript, stream):
            events, failure = _read(adapter, cut, job)
            if failure is None and (other := _differs(whole, _told(events, text=True))):
                name = "standard output" if stream == "out" else "standard error"
                yield (
                    f"{name} that is cut off after {place} of {len(transcript.data(stream))} bytes is read as a good "
                    f"result, with {other}\n{TO_READ_IT_WHOLE[adapter.reads_patterns]}"
                )
                return


def damaged(adapter: Adapter[Any], transcript: Transcript, job: Job) -> Iterator[str]:
    """Output with garbage in it, or as a console rewrites it, gives the same figures or none."""
    whole = _told(_read(adapter, transcript, job)[0], text=False)
    for what, odd in (*damage.with_garbage(transcript), *damage.rewritten(transcript)):
        events, failure = _read(adapter, odd, job, f" on output {what}")
        if failure is None and (other := _differs(whole, _told(events, text=False))):
            yield f"output {what} is read as a good result, with {other}\nraise ReadError where a line is odd"
            return


def _read(
    adapter: Adapter[Any], transcript: Transcript, job: Job, when: str = ""
) -> tuple[list[Event], Failure | None]:
    """The events, and the failure that the trial would have. Raises WrongError where `read` breaks."""
    events: list[Event] = []
    complaint = None
    try:
        for event in adapter.read(transcript, job):
            if not isinstance(event, EventBase):
                raise WrongError(f"`read` gives a {type(event).__name__}, which is no event")
            events.append(event)
    except ReadError as error:
        complaint = str(error)
    except (KeyboardInterrupt, MemoryError, WrongError):
        raise
    except BaseException as error:
        wrong = f"`read` raises {type(error).__name__} ({error}){when}"
        raise WrongError(f"{wrong}\nraise ReadError where output is not as expected") from error
    return events, classify(transcript, events, complaint)


Told = dict[str, list[object]]

MAY_LACK = ("a prompt", "a count", "figures")
"""What is absent, with a reason, where output is missing; tokens and text that are cut off are a different answer."""


def _told(events: list[Event], *, text: bool) -> Told:
    """What the events say, without the instants."""
    told: Told = {
        "tokens": [(e.k, e.id, e.end) for e in events if isinstance(e, Token)],
        "a prompt": [(e.ids, e.count) for e in events if isinstance(e, Prompt)],
        "a count": [e.generated for e in events if isinstance(e, Count)],
        "figures": [(e.metric, e.definition, e.value) for e in events if isinstance(e, RuntimeFigure)],
        "scores": [(e.position, e.id, e.logprob, e.top) for e in events if isinstance(e, ScoredPosition)],
    }
    if text:
        told["a text"] = [e.text for e in events if isinstance(e, Text)]
    return told


def _differs(whole: Told, other: Told) -> str | None:
    """What one account says that the whole one does not, such as `figures other than those of the whole output`."""
    for name, said in whole.items():
        lacks = name in MAY_LACK and all(each in said for each in other[name])
        if other[name] != said and not lacks:
            return f"{name} other than those of the whole output"
    return None


def _joined(events: list[Event]) -> list[Event]:
    """The events, with pieces of text that came at one instant as one piece."""
    found: list[Event] = []
    for is_chunk, some in groupby(events, key=lambda event: event.t_ns if isinstance(event, Chunk) else None):
        if is_chunk is None:
            found += some
        else:
            chunks = [event for event in some if isinstance(event, Chunk)]
            found.append(Chunk(t_ns=is_chunk, text="".join(chunk.text for chunk in chunks)))
    return found


ON_OUTPUT: dict[str, Check] = {
    "result": result,
    "order": order,
    "tokens": tokens,
    "repeatable": repeatable,
    "truncated": truncated,
    "damaged": damaged,
}
