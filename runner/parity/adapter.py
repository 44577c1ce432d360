"""The contract between the engine and a runtime's adapter. Adapters import this module, `parity.events` and
`parity.errors` (and `parity.cargo` where Cargo builds the runtime), and nothing else of parity.

An adapter describes and reads: it spawns, hashes and creates nothing, so that each method is a pure function and is
tested from transcripts alone. The engine runs the commands, keeps their transcripts and creates scratch folders.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Protocol

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator

from parity.cache import cache_folder, user_hf_home
from parity.errors import ReadError
from parity.events import EVENT, PROTOCOL_VERSION, Bye, Event, Hello
from parity.records import Checkout, Job, Record
from parity.transcript import Line, Stream, Transcript

__all__ = [
    "PROTOCOL_MARKERS",
    "Adapter",
    "AdapterSettings",
    "Availability",
    "Build",
    "Command",
    "InputPath",
    "Job",
    "Launch",
    "Line",
    "Marker",
    "Markers",
    "Program",
    "Record",
    "Transcript",
    "cache_folder",
    "checkout_of",
    "needs_tokenizer",
    "read_protocol",
    "read_protocol_probe",
    "user_hf_home",
]


class AdapterSettings(Record):
    """Base of an adapter's own table in the config; unknown keys are refused."""


def _beside_config(path: str, info: ValidationInfo) -> str:
    folder = (info.context or {}).get("folder")
    expanded = Path(path).expanduser()
    return str(folder.resolve() / expanded) if folder is not None else str(expanded)


def _program(path: str, info: ValidationInfo) -> str:
    return _beside_config(path, info) if "/" in path or path.startswith("~") else path


InputPath = Annotated[str, AfterValidator(_beside_config)]
"""A file or folder named in the config: relative to the config's folder, `~` expanded."""

Program = Annotated[str, AfterValidator(_program)]
"""An executable: a bare name is looked up on PATH, anything with a `/` is an `InputPath`."""


class Marker(Record):
    """A regular expression, searched in each line of a stream; `partial` is for prompt echoes and token streams."""

    pattern: str = Field(min_length=1, description="a Python regular expression")
    stream: Stream = Field(default="out", description="standard output or standard error")
    partial: bool = Field(default=False, description="look also at a line that has no newline yet")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from error
        return pattern


class Command(Record):
    """A program to run. Never a shell: `argv` is passed as it is."""

    argv: tuple[str, ...] = Field(min_length=1)
    env: dict[str, str] = Field(default_factory=dict, description="on top of the allow-listed environment")
    cwd: str | None = None
    deadline_s: float = Field(default=60.0, gt=0)
    step: Marker | None = Field(default=None, description="each match is a step done, for the progress display")


class Markers(Record):
    """What the supervisor looks for while a trial runs; times are measured later, from the transcript.

    `ready` ends the load deadline and starts the one for the first token, `first_token` ends that one; each match of
    `token` counts one token for the progress display; `stop` ends the trial: everything wanted was seen. `fail` says
    that a part of the program is gone for good: once nothing else works on, the trial ends as failed, long before the
    limit for stalls."""

    ready: Marker | None = None
    first_token: Marker | None = None
    token: Marker | None = None
    stop: Marker | None = None
    fail: Marker | None = None


class Launch(Record):
    """How to start one trial. `files` (name → content) are written into the job's scratch folder beforehand."""

    argv: tuple[str, ...] = Field(min_length=1)
    env: dict[str, str] = Field(default_factory=dict)
    cwd: str | None = None
    files: dict[str, str] = Field(default_factory=dict)
    markers: Markers = Markers()


class Availability(Record):
    """Whether a runtime can be used here: ready, or why not and the exact command that would help."""

    ready: bool
    version: str | None = None
    checkout: Checkout | None = Field(default=None, description="filled by the engine, where the adapter names one")
    device: str | None = None
    reason: str | None = None
    remedy: str | None = None


class Build(Record):
    """What came of a build: where each executable is, or the first compiler error where there are none."""

    executables: dict[str, str] = Field(default_factory=dict, description="name → absolute path")
    reason: str | None = None
    remedy: str | None = None


class Adapter(Protocol):
    """Knows how to probe, build, launch and read one runtime.

    Three hooks are optional. `checkout: str` (None where there is none) is the folder of the source tree that `build`
    compiles: the engine records its commit. `needs_tokenizer: ClassVar[bool] = True` has the engine put a
    `tokenizer.json` and, unless the prompt is raw, its `chat_turn` into every job, and count the tokens of text.
    `prompt_as(prompt: str) -> str`, a static method, gives the text that the runtime really sends as the user's turn; a
    test's `prompt_as` has every other runtime send that text too."""

    name: ClassVar[str]
    Settings: ClassVar[type[AdapterSettings]]

    def __init__(self, settings: AdapterSettings) -> None: ...

    def probe(self) -> Command:
        """What to run to learn version and device."""
        ...

    def read_probe(self, transcript: Transcript) -> Availability:
        """Ready, or why not. A program that isn't there is a transcript too (`no_spawn`)."""
        ...

    def build(self) -> Command | None:
        """What to run before the first trial, outside every timed one; None where nothing is built."""
        ...

    def read_build(self, transcript: Transcript) -> Build:
        """Called only where `build` returned a command."""
        ...

    def launch(self, job: Job, build: Build | None) -> Launch:
        """How to start the job. Raises `RefusedError` for a job that this runtime can't do."""
        ...

    def read(self, transcript: Transcript, job: Job) -> Iterator[Event]:
        """The events of a transcript, in order. Raises `ReadError` where it can't be read: never a zero."""
        ...


def checkout_of(adapter: Adapter) -> str | None:
    """The source tree that an adapter's runtime is built from, if any."""
    folder: str | None = getattr(adapter, "checkout", None)
    return folder


def needs_tokenizer(adapter: Adapter) -> bool:
    """Whether an adapter's jobs need a `tokenizer.json`."""
    return bool(getattr(adapter, "needs_tokenizer", False))


_EVENT = r'^(?=.*"ev":\s*"{}")'
PROTOCOL_MARKERS = Markers(
    ready=Marker(pattern=_EVENT.format("phase") + r'(?=.*"name":\s*"ready")'),
    first_token=Marker(pattern=_EVENT.format("token")),
    token=Marker(pattern=_EVENT.format("token")),
)
"""Markers of a program that speaks the event protocol on its standard output."""


def read_protocol(transcript: Transcript) -> Iterator[Event]:
    """The events of a program that speaks the event protocol on its standard output.

    Raises:
        ReadError: a line isn't an event, the first isn't `hello` of this version, an event is stamped outside the
            time between spawn and its own arrival or before the event ahead of it, or something follows `bye`.
            A last line without its newline is what a dying program left, and is passed over.
    """
    spawned_ns = transcript.spawn.t_ns if transcript.spawn else 0
    previous: Event | None = None
    for number, line in enumerate(transcript.lines("out"), start=1):
        if not line.complete or not line.text.strip():
            continue
        event = _parse(line, number)
        if previous is None and not (isinstance(event, Hello) and event.protocol == PROTOCOL_VERSION):
            raise ReadError(
                f"line {number}: the first event must be hello of protocol {PROTOCOL_VERSION}, not {line.text[:200]}"
            )
        if isinstance(previous, Bye):
            raise ReadError(f"line {number}: something follows bye: {line.text[:200]}")
        if not max(spawned_ns, previous.t_ns if previous else 0) <= event.t_ns <= line.t_ns:
            raise ReadError(
                f"line {number}: stamped {event.t_ns} ns, which is not between "
                f"{'the event before it' if previous else 'the spawn'} and its arrival at {line.t_ns} ns: "
                "stamps must come from the system's monotonic clock"
            )
        previous = event
        yield event


def _parse(line: Line, number: int) -> Event:
    try:
        return EVENT.validate_json(line.text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ReadError(f"line {number} is not an event ({where}: {first['msg']}): {line.text[:200]}") from error


def read_protocol_probe(transcript: Transcript, install: str, otherwise: str | None = None) -> Availability:
    """Reads the probe of a worker that speaks the protocol: `hello` is ready; an `error` event says why not.

    `install` is the command that would make the runtime ready, unless the event has a remedy of its own; `otherwise` is
    another way, told after either."""
    found = _read_probe(transcript, install)
    if found.ready or otherwise is None:
        return found
    return found.model_copy(update={"remedy": f"{found.remedy}; {otherwise}"})


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
