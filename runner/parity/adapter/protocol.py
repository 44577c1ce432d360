"""Reads programs that speak the event protocol."""

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

import parity_worker
from parity.adapter.commands import Availability, Marker, Markers
from parity.adapter.events import EVENT, PROTOCOL_VERSION, Aside, Bye, Event, Hello, RuntimeFigure, Token
from parity.adapter.printed import half_of_last_digit
from parity.errors import ReadError
from parity.transcript import Line, Transcript

_EVENT = r'^(?=.*"ev"\s*:\s*"{}")'
PROTOCOL_MARKERS = Markers(
    quick=True,
    ready=Marker(pattern=_EVENT.format("phase") + r'(?=.*"name"\s*:\s*"ready")'),
    first_token=Marker(pattern=_EVENT.format("(?:token|chunk|scored)")),
    token=Marker(pattern=_EVENT.format("token")),
)
"""Markers of a program that speaks the event protocol on its standard output."""

HOLD_S = parity_worker.HOLD_S
"""How long a program may hold back the events of its tokens, but for the first."""


def worker_argv(python: str, worker: Path, *arguments: str) -> tuple[str, ...]:
    """Starts a worker of `parity_worker` (its docstring says what one is) under an interpreter that needs nothing of
    parity: both files are named by their paths. `arguments`: `--probe`, or `--job FILE`."""
    return (python, parity_worker.__file__, str(worker), *arguments)


def read_protocol(transcript: Transcript) -> Iterator[Event]:
    """The events of a program that speaks the event protocol on its standard output.

    Raises:
        ReadError: a line isn't an event, the first isn't `hello` of this version, an event is stamped outside the
            time between spawn and its own arrival or before the event ahead of it, a token follows an aside, or
            something follows `bye`.
            A last line without its newline is what a dying program left, and is passed over.
    """
    for event, _ in read_arrivals(transcript):
        yield event


def read_arrivals(transcript: Transcript) -> Iterator[tuple[Event, int]]:
    """Each event of `read_protocol` with the instant in ns at which its line arrived. Raises what that does."""
    spawned_ns = transcript.spawn.t_ns if transcript.spawn else 0
    previous: Event | None = None
    aside = False
    for line in transcript.lines("out", blank=False):
        number = line.number
        if not line.text.strip():
            continue
        if isinstance(previous, Bye):
            raise ReadError(f"line {number}: something follows bye: {line.text[:200]}")
        if not line.complete:
            continue
        event = _parse(line, number)
        if previous is None and not (isinstance(event, Hello) and event.protocol == PROTOCOL_VERSION):
            raise ReadError(
                f"line {number}: the first event must be hello of protocol {PROTOCOL_VERSION}, not {line.text[:200]}"
            )
        begun_ns = event.begin_ns if isinstance(event, Aside) else event.t_ns
        if not max(spawned_ns, previous.t_ns if previous else 0) <= begun_ns <= event.t_ns <= line.t_ns:
            raise ReadError(
                f"line {number}: stamped {begun_ns} ns, which is not between "
                f"{'the event before it' if previous else 'the spawn'} and its arrival at {line.t_ns} ns: "
                "stamps must come from the system's monotonic clock"
            )
        if isinstance(event, Token) and aside:
            raise ReadError(f"line {number}: a token follows an aside, which is what happens after generation")
        aside = aside or isinstance(event, Aside)
        previous = event
        yield event, line.t_ns


def _parse(line: Line, number: int) -> Event:
    try:
        event = EVENT.validate_json(line.text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "".join(f"{part}." for part in first["loc"]).removesuffix(".")
        why = f"{where}: {first['msg']}" if where else first["msg"]
        raise ReadError(f"line {number} is not an event ({why}): {line.text[:200]}") from error
    if isinstance(event, RuntimeFigure) and event.value is not None and event.resolution is None:
        # A figure without decimals is no more exact on this way than printed on any other.
        printed = json.loads(line.text, parse_float=str, parse_int=str)["value"]
        return event.model_copy(update={"resolution": half_of_last_digit(printed)})
    return event


def read_protocol_probe(transcript: Transcript, install: str, otherwise: str | None = None) -> Availability:
    """Reads the probe of a worker that speaks the protocol: `hello` is ready; an `error` event says why not.

    `install` is the command that would make the runtime ready, unless the event has a remedy of its own; `otherwise` is
    a second remedy, which follows either."""
    found = _read_probe(transcript, install)
    if found.ready or otherwise is None:
        return found
    return found.but(remedy=f"{found.remedy}; {otherwise}")


def _read_probe(transcript: Transcript, install: str) -> Availability:
    if transcript.no_spawn is not None:
        argv0 = transcript.launch.argv[0] if transcript.launch else "the program"
        return Availability(ready=False, reason=f"{argv0}: {transcript.no_spawn.message}", remedy=install)
    try:
        events = list(read_protocol(transcript))
    except ReadError as error:
        return Availability(ready=False, reason=str(error), remedy=install)
    for event in events:
        if event.ev == "error":
            return Availability(ready=False, reason=event.message, remedy=event.remedy or install)
    if not events:
        last = " / ".join(transcript.tail(3)) or "it printed nothing"
        return Availability(ready=False, reason=f"the probe gave no answer: {last}", remedy=install)
    hello = events[0]
    assert isinstance(hello, Hello)
    return Availability(ready=True, version=f"{hello.runtime} {hello.version}", device=hello.device)
