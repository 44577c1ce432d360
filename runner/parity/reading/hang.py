"""What a person needs to know of a program that was ended at a deadline, in lines of a report. Pure."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from parity.transcript import SeenProcess, SeenThread, Stream, Transcript
from parity.units import plural

MOST_LINES = 60
_LAST_LINES = 3
_FILES = 8
_STACK_LINES = 30


def state_of(transcript: Transcript) -> tuple[str, ...]:
    """The last lines of each stream, and what threads, files and stacks showed just before it was ended; nothing where
    nobody looked. The transcript holds more of it."""
    if transcript.hang is None:
        return ()
    lines = list(_lines(transcript))
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], f"… {len(lines) - MOST_LINES + 1} more lines are in the transcript"]
    return tuple(lines)


def _lines(transcript: Transcript) -> Iterator[str]:
    hang = transcript.hang
    assert hang is not None
    # What it printed later is its answer to the signals that parity sent.
    until = replace(transcript, pieces=tuple(piece for piece in transcript.pieces if piece.t_ns <= hang.t_ns))
    yield from _last(until, "out", "standard output")
    yield from _last(until, "err", "standard error")
    for process in hang.processes:
        yield from _process(process)
    if hang.left_out:
        yield f"{hang.left_out} more processes"
    if hang.stacks_absent is not None:
        yield f"no native stacks: {hang.stacks_absent}"
    elif hang.stacks:
        yield "native stacks of the process with the most memory:"
        yield from (f"  {line}" for line in hang.stacks[:_STACK_LINES])


def _last(transcript: Transcript, stream: Stream, title: str) -> Iterator[str]:
    found = transcript.tail(_LAST_LINES, only=stream)
    yield f"{title} ended with:" if found else f"{title}: nothing"
    yield from (f"  {line}" for line in found)


def _process(process: SeenProcess) -> Iterator[str]:
    count = len(process.threads)
    yield f"process {process.pid}, {plural(count, 'thread')}: {process.command}"
    for what, number in Counter(map(_at, process.threads)).items():
        yield f"  {what}{f' (×{number})' if number > 1 else ''}"
    if process.files:
        more = len(process.files) - _FILES
        yield f"  open: {', '.join(process.files[:_FILES])}{f' and {more} more' if more > 0 else ''}"


def _at(thread: SeenThread) -> str:
    waits = f" in {thread.waits_in}" if thread.waits_in is not None else ""
    return f"{thread.name}: {thread.state}{waits}"
