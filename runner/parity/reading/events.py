"""The events of a transcript, as its adapter reads them: in a child with limits where the config has a say in it."""

import importlib
import json
from typing import Any

from parity.adapter import Adapter
from parity.adapter.events import EVENT, Event, EventBase
from parity.bounded import MEMORY_BYTES, WALL_FACTOR, LimitError, RaisedError, call, within
from parity.errors import ReadError
from parity.records import HostFacts, Job
from parity.transcript import End, Files, Head, Launched, NoSpawn, Piece, Spawned, Transcript

READING_S = 5.0
"""CPU time that patterns have to search an output, beside what its size allows for."""

BYTES_S = 1_000_000
"""Bytes that are searched in a second at the very least, by patterns that are not at fault."""

MEMORY_FACTOR = 32
"""Bytes of memory for each byte of output."""

_RECORDS: dict[str, type[Head | Launched | Spawned | NoSpawn | End | Files]] = {
    "head": Head,
    "launch": Launched,
    "spawn": Spawned,
    "no_spawn": NoSpawn,
    "end": End,
    "files_after": Files,
}
"""Of a transcript, what a reader may need beside its pieces."""


def read_events(adapter: Adapter[Any], transcript: Transcript, job: Job) -> tuple[list[Event], str | None]:
    """The events that the adapter could read, and its complaint about the rest, if any. Of a program that was ended
    because it printed too much, nothing is read: it has no result, and its output may be the longest of all."""
    if transcript.end is not None and transcript.end.by == "output-limit":
        return [], None
    return _in_child(adapter, transcript, job) if adapter.reads_patterns else _here(adapter, transcript, job)


def _here(adapter: Adapter[Any], transcript: Transcript, job: Job) -> tuple[list[Event], str | None]:
    events: list[Event] = []
    size = sum(len(piece.data) for piece in transcript.pieces)
    try:
        with within(WALL_FACTOR * (READING_S + size / BYTES_S)):
            for event in adapter.read(transcript, job):
                if not isinstance(event, EventBase):
                    raise TypeError(f"a {type(event).__name__} is no event")
                events.append(event)
    except ReadError as error:
        return events, str(error)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # A reader that breaks on what a program printed loses this trial, not the run; nor does it end parity.
        return events, f"the adapter failed to read what the program printed ({type(error).__name__}: {error})"
    return events, None


def _in_child(adapter: Adapter[Any], transcript: Transcript, job: Job) -> tuple[list[Event], str | None]:
    kind, size = type(adapter), sum(len(piece.data) for piece in transcript.pieces)
    try:
        events, complaint = call(
            "parity.reading.events:read_sent",
            f"{kind.__module__}:{kind.__qualname__}",
            adapter.settings.model_dump(mode="json"),
            adapter.host.model_dump(mode="json"),
            sent(transcript),
            job.model_dump(mode="json"),
            cpu_s=READING_S + size / BYTES_S,
            memory_bytes=MEMORY_BYTES + MEMORY_FACTOR * size,
        )
    except (LimitError, RaisedError) as error:
        at = error.at if isinstance(error, LimitError) and error.at else "the patterns of its config"
        return [], f"its output was not searched to its end for {at}: {error}: give a simpler pattern"
    return [EVENT.validate_json(event) for event in events], complaint


def read_sent(
    adapter: str, settings: dict[str, Any], host: dict[str, Any], output: dict[str, Any], job: dict[str, Any]
) -> tuple[list[str], str | None]:
    """What `read_events` returns, in the child: the adapter's class by `module:name`, and each event as JSON."""
    made = made_anew(adapter, settings, host)
    events, complaint = _here(made, received(output), Job.model_validate_json(json.dumps(job)))
    return [EVENT.dump_json(event).decode() for event in events], complaint


def made_anew(adapter: str, settings: dict[str, Any], host: dict[str, Any]) -> Adapter[Any]:
    """The adapter of a class, as `module:name`, with its settings, in the child."""
    module, _, name = adapter.partition(":")
    kind: type[Adapter[Any]] = getattr(importlib.import_module(module), name)
    return kind(
        kind.Settings.model_validate_json(json.dumps(settings)), HostFacts.model_validate_json(json.dumps(host))
    )


def sent(transcript: Transcript) -> dict[str, Any]:
    """A transcript as JSON can say it: bytes as Latin-1, which keeps each."""
    records = {name: getattr(transcript, name) for name in _RECORDS}
    return {
        "records": {name: record.model_dump(mode="json") for name, record in records.items() if record is not None},
        "pieces": [(piece.t_ns, piece.stream, piece.data.decode("latin-1")) for piece in transcript.pieces],
    }


def received(output: dict[str, Any]) -> Transcript:
    """The transcript that was `sent`."""
    records: dict[str, Any] = {
        name: _RECORDS[name].model_validate_json(json.dumps(value)) for name, value in output["records"].items()
    }
    pieces = (Piece(t_ns, stream, data.encode("latin-1")) for t_ns, stream, data in output["pieces"])
    return Transcript(pieces=tuple(pieces), **records)
