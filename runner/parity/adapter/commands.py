"""What an adapter describes: commands, launches, and what came of a probe or a build."""

from pydantic import Field, field_validator

from parity.adapter.patterns import checked
from parity.records import Checkout, Record
from parity.transcript import Stream


class Marker(Record):
    """A regular expression, searched in each line of a stream; `partial` is for prompt echoes and token streams."""

    pattern: str = Field(min_length=1, description="a Python regular expression")
    stream: Stream = Field(default="out", description="standard output or standard error")
    partial: bool = Field(default=False, description="look also at a line that has no newline yet")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        return checked(pattern)


class Command(Record):
    """A program to run. Never a shell: `argv` is passed as it is."""

    argv: tuple[str, ...] = Field(min_length=1)
    env: dict[str, str] = Field(default_factory=dict, description="on top of the allow-listed environment")
    cwd: str | None = None
    pass_env: tuple[str, ...] = Field(
        default=(), description="names of variables of parity's own environment that it needs beside those"
    )
    deadline_s: float = Field(default=60.0, gt=0)
    step: Marker | None = Field(default=None, description="each match is a step done, for the progress display")
    waits: Marker | None = Field(default=None, description="a match says that it waits for another program to finish")


class Written(Record):
    """What a build writes. `least_bytes`: in all, where nothing of it is there yet; better too few than too many, for
    who has less room is refused. `moved_by`: variables by which a config may have it written elsewhere."""

    folder: str
    least_bytes: int = Field(gt=0)
    moved_by: tuple[str, ...] = ()


class Markers(Record):
    """What the supervisor looks for while a trial runs; times are measured later, from the transcript.

    `ready` ends the load deadline and starts the one for the first token, `first_token` ends that one; each match of
    `token` counts one token for the progress display; `stop` ends the trial: all that is wanted is there. `fail` says
    that a part of the program is gone for good: once nothing else works on, the trial ends as failed, long before the
    limit for stalls. `quick`: the patterns are the adapter's own, and no line makes them slow; all others are searched
    for by a child with limits, and end a trial in which one breaks them."""

    quick: bool = False
    ready: Marker | None = None
    first_token: Marker | None = None
    token: Marker | None = None
    stop: Marker | None = None
    fail: Marker | None = None


class Launch(Record):
    """How to start one trial. `files` (name → content) are written into the job's scratch folder beforehand;
    `pass_env` names variables of parity's own environment that the program needs, such as a key."""

    argv: tuple[str, ...] = Field(min_length=1)
    env: dict[str, str] = Field(default_factory=dict)
    pass_env: tuple[str, ...] = ()
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
    libraries: dict[str, str] = Field(
        default_factory=dict,
        description="each library that decides what they compute → its version, and its revision or folder if it has "
        "one: two runtimes that are built with the same ones compute alike",
    )
    reason: str | None = None
    remedy: str | None = None


class Example(Record):
    """A table that a config may hold, of an adapter that has no settings by default. `name`: that of the runtime;
    `remark`: what it is, and what it needs."""

    name: str
    remark: str
    keys: dict[str, str | int | float | bool | tuple[str, ...]]


class Need(Record):
    """A file that a runtime can't do without and that parity doesn't fetch. `pattern`: a path, or a glob of which one
    match is enough."""

    pattern: str = Field(min_length=1)
    reason: str = Field(description="what is missing without it, as a sentence")
    remedy: str = Field(description="the command or the step that would bring it")
