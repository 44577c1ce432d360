"""How a trial ended: its failure class, if any, and its warnings. A pure function of its transcript and events."""

import errno
import itertools
import signal
from collections.abc import Sequence

from parity.adapter.events import Bye, Chunk, Error, Event, Hello, Phase, RuntimeFigure, Text, Token
from parity.reading.figures import unknown
from parity.reading.hang import state_of
from parity.reading.order import contradiction, was_asked
from parity.reading.scores import unanswered
from parity.records import Failure, Limits
from parity.records.metrics import METRIC_NAMES
from parity.transcript import End, Transcript
from parity.units import format_value

WORKER_DIED = "crash:worker"
"""Failure class of a program that runs on although the part of it that computes has failed; parity ends it soon."""

NEVER_RAN = ("unavailable", "refused")
"""Failure classes in which the model was never asked anything: no evidence for or against a hang."""


def classify(transcript: Transcript, events: Sequence[Event], unreadable: str | None) -> Failure | None:
    """The failure of a trial, or None for a good result. `unreadable`: why the adapter could not read the transcript.

    In this order: what parity observed, what the runtime reported about itself, its exit status, its output."""
    if transcript.no_spawn is not None and transcript.no_spawn.cause == "refused":
        return Failure(kind="refused", message=transcript.no_spawn.message)
    if transcript.no_spawn is not None and transcript.no_spawn.cause == "cancelled":
        return Failure(kind="interrupted", message=transcript.no_spawn.message)
    if transcript.no_spawn is not None and transcript.no_spawn.errno == errno.E2BIG:
        message = "its command line is too long for the system: read the prompt from {scratch}/job.json instead"
        return Failure(kind="refused", message=message)
    if transcript.no_spawn is not None:
        program = transcript.launch.argv[0] if transcript.launch else "the program"
        return Failure(kind="unavailable", message=f"{program} can't be started: {transcript.no_spawn.message}")
    end = transcript.end
    if end is None:
        return Failure(kind="interrupted", message="parity ended before this trial did", tail=transcript.tail())
    if transcript.head.files is not None and transcript.files_after is None:
        message = "parity ended before it looked at the files of this trial again"
        return Failure(kind="interrupted", message=message, tail=transcript.tail())
    stopped = _stopped_by_parity(end, transcript.head.limits)
    if stopped is not None and end.by != "cancel" and _still_downloading(events):
        message = f"it was still downloading a file ({stopped[1]}): download what it needs once, before you run parity"
        return Failure(kind="unavailable", message=message, tail=transcript.tail())
    if stopped is not None:
        return Failure(kind=stopped[0], message=stopped[1], tail=transcript.tail(), state=state_of(transcript))
    if end.signal is not None and end.oom:
        return Failure(kind="oom", message="the kernel killed it because memory ran out", tail=transcript.tail())
    said = next((event for event in events if isinstance(event, Error)), None)
    if said is not None or end.by == "fail":
        kind = _own_kind(said, end, asked=was_asked(events))
        return Failure(kind=kind, message=_own_sentence(said), tail=transcript.tail())
    crashed = end.signal is not None and end.by != "stop"
    if not crashed and _answered_nothing(events):
        return Failure(kind="silent", message="it finished without printing any answer", tail=transcript.tail())
    if end.by != "stop" and (bad := _status(end)) is not None:
        return Failure(kind=bad, message=_status_sentence(end), tail=transcript.tail())
    if not (transcript.data("out") + transcript.data("err")).strip():
        return Failure(kind="silent", message="it ended without an error and printed nothing", tail=transcript.tail())
    if unreadable is not None:
        return Failure(kind="parse", message=unreadable, tail=transcript.tail())
    return _incomplete(transcript, events)


def warnings(transcript: Transcript, events: Sequence[Event]) -> tuple[str, ...]:
    """What a user should know about a trial although it does not make its result bad."""
    found = list(unknown(events))
    if transcript.end is not None and transcript.end.left_behind:
        left = f"left {transcript.end.left_behind} process(es) behind that ran on or kept its output open"
        found.append(f"{left}; parity ended them")
    if not transcript.valid_utf8:
        found.append("printed bytes that are not UTF-8; the transcript keeps them, and reports show U+FFFD")
    return tuple(found)


def _stopped_by_parity(end: End, limits: Limits | None) -> tuple[str, str] | None:
    match end.by:
        case "deadline:load":
            return "timeout:load", f"it was not ready within {_limit(limits, 'load_s')}"
        case "deadline:first-token":
            return "timeout:first-token", f"no first token came within {_limit(limits, 'first_token_s')} of being ready"
        case "deadline:total":
            return "timeout:total", f"it did not end within {_limit(limits, 'total_s')}"
        case "stall":
            return "stall", f"no output and no CPU progress for {_limit(limits, 'stall_s')}"
        case "output-limit":
            most = _limit(limits, "max_output_bytes")
            return (
                "output-limit",
                f"it printed more than {most}; {end.dropped_bytes} bytes or more were dropped",
            )
        case "markers":
            return "parse", "a pattern of its `markers` took too long on what it printed: give a simpler one"
        case "memory-limit":
            return "memory-limit", f"it used more memory than {_limit(limits, 'max_memory_bytes')}"
        case "cancel":
            return "interrupted", "the run was interrupted"
        case "exit" | "stop" | "fail":
            return None


def _limit(limits: Limits | None, key: str) -> str:
    """`30.00 s (limits.stall_s)`; the key alone where the transcript does not say what it was."""
    value: float | None = getattr(limits, key) if limits is not None else None
    unit = "bytes" if key.endswith("_bytes") else "s"
    return f"limits.{key}" if value is None else f"{format_value(value, unit)} (limits.{key})"


def _still_downloading(events: Sequence[Event]) -> bool:
    """Whether a download is the last thing that it began. One after which it did something else is over."""
    marks = [event for event in events if isinstance(event, Phase | Error)]
    last = itertools.takewhile(lambda mark: isinstance(mark, Phase) and mark.name == "download", reversed(marks))
    edges = [mark.edge for mark in last if isinstance(mark, Phase)]
    return edges.count("begin") > edges.count("end")


def _own_kind(said: Error | None, end: End, *, asked: bool) -> str:
    """The class of a failure that the program reported. A program that parity ended for it has no status of its own;
    one that was asked something can't say any more that it never ran."""
    if said is not None and said.kind != "failed" and not (asked and said.kind in NEVER_RAN):
        return said.kind
    if said is not None and said.failure is not None:
        return said.failure
    return WORKER_DIED if end.by == "fail" else _status(end) or "exit:0"


def _own_sentence(said: Error | None) -> str:
    if said is None:
        return "it reported that a part of it failed for good"
    return f"{said.message} ({said.remedy})" if said.remedy else said.message


def _answered_nothing(events: Sequence[Event]) -> bool:
    """Whether the adapter found the place of the answer, and it was empty."""
    texts = [event.text for event in events if isinstance(event, Text)]
    return texts != [] and not any(texts) and not any(isinstance(event, Token | Chunk) for event in events)


def _status(end: End) -> str | None:
    if end.signal is not None:
        return f"crash:{_signal_name(end.signal)}"
    if end.exit_code is None:
        return "stall"
    return f"exit:{end.exit_code}" if end.exit_code != 0 else None


def _status_sentence(end: End) -> str:
    if end.signal is not None:
        return f"it was killed by {_signal_name(end.signal)}, which parity did not send"
    if end.exit_code is None:
        return "it could not be stopped, not even with SIGKILL"
    return f"it exited with status {end.exit_code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def _incomplete(transcript: Transcript, events: Sequence[Event]) -> Failure | None:
    """A transcript that was read without complaint may still hold no result."""
    job = transcript.head.job
    tokens = [event for event in events if isinstance(event, Token)]
    if any(isinstance(event, Bye) and event.reason == "error" for event in events):
        message = "it sent `bye` for an error and did not report the error"
        return Failure(kind="parse", message=message, tail=transcript.tail())
    if [token.k for token in tokens] != list(range(1, len(tokens) + 1)):
        return Failure(kind="parse", message="its tokens are not numbered 1, 2, 3, …", tail=transcript.tail())
    own = job is not None and job.score is not None and job.score.own
    if (contradicts := contradiction(events, "generate" if job is None else job.task, own=own)) is not None:
        return Failure(kind="parse", message=contradicts, tail=transcript.tail())
    if job is not None and job.score is not None:
        wrong = unanswered(job.score, events)
        return None if wrong is None else Failure(kind="parse", message=wrong, tail=transcript.tail())
    stopped = transcript.end is not None and transcript.end.by == "stop"
    speaks = any(isinstance(event, Token | Hello) for event in events)
    if speaks and not stopped and not isinstance(events[-1], Bye):
        return Failure(kind="parse", message="its events end without `bye`", tail=transcript.tail())
    if any(isinstance(event, Token | Chunk | Text) for event in events):
        return None
    if any(isinstance(event, RuntimeFigure) and event.metric in METRIC_NAMES for event in events):
        return None
    message = "it printed no token, no text and no figure of a known metric"
    return Failure(kind="parse", message=message, tail=transcript.tail())
