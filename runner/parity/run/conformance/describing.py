"""What an adapter says without any output: its settings, its hooks, how it is asked, and how it starts a trial."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from pydantic import ValidationError

from parity.adapter import Adapter, Availability, Build, Command, Launch, Need, RefusedError, Written
from parity.records import Job
from parity.run.conformance.damage import GARBAGE
from parity.run.conformance.wrong import WrongError, asked
from parity.transcript import End, Head, Launched, NoSpawn, Piece, Spawned, Transcript
from parity.units import shortened

MS = 1_000_000
PROMPTS = ("", "--help", "a\nb", 'He said "no" \\ $HOME `x` {y} %s', "héllo 你好 🦀", "x" * 20_000)
"""Prompts that an argument, a file or a template may be wrong about."""

HOOKS: dict[str, Any] = {
    "tasks": frozenset,
    "checkout": (str, type(None)),
    "device_asked": (str, type(None)),
    "needs_tokenizer": bool,
    "figures_by": (str, type(None)),
    "reads_patterns": bool,
    "no_proof": (str, type(None)),
    "needs": tuple,
    "build_writes": (Written, type(None)),
}
"""Hook → the type of what it gives."""


def settings(adapter: Adapter[Any]) -> Iterator[str]:
    """Settings are read from TOML, kept as JSON in the run folder, and read again when the run is judged."""
    kind = type(adapter.settings)
    try:
        again = kind.model_validate(adapter.settings.model_dump(mode="json"), strict=False)
        if again != adapter.settings:
            yield "its settings are not the same after they are written as JSON and read again"
    except ValidationError as error:
        yield f"its settings can't be read again after they are written as JSON: {error.errors()[0]['msg']}"
    for name, field in kind.model_fields.items():
        if not field.description:
            yield f"the setting `{name}` has no description\ngive it one: `parity schema config` shows it"
    if kind.model_config.get("extra") != "forbid":
        yield "its settings accept unknown keys, so that a misspelt one has no effect\nderive them from AdapterSettings"


def hooks(adapter: Adapter[Any]) -> Iterator[str]:
    """Each hook gives what its type says."""
    for name, gives in HOOKS.items():
        given = asked(name, partial(getattr, adapter, name))
        if not isinstance(given, gives):
            yield f"`{name}` gives a {type(given).__name__}"
    tasks = asked("tasks", lambda: adapter.tasks)
    if "generate" not in tasks or not set(tasks) <= {"generate", "score"}:
        yield f"`tasks` are {sorted(map(str, tasks))}\n`generate` has to be among them, and `score` may be"
    if not all(isinstance(need, Need) for need in asked("needs", lambda: adapter.needs)):
        yield "`needs` holds something that is no Need"
    for name, odd in (("explain", ("crash:SIGSEGV", _printed(b""))), ("warns", ("warning: odd \0 \x1b[0m",))):
        asked(name, partial(getattr(adapter, name), *odd))
    for name in ("probe", "build"):
        given = asked(name, getattr(adapter, name))
        if not isinstance(given, Command) and (name == "probe" or given is not None):
            yield f"`{name}` gives a {type(given).__name__}, and not a Command"
        elif given != asked(name, getattr(adapter, name)):
            yield f"`{name}` gives a different command each time"


def probe_missing(adapter: Adapter[Any]) -> Iterator[str]:
    """Of a program that is not there, the probe says so and how to get it."""
    gone = Transcript(
        head=Head(purpose="probe", runtime="r"),
        launch=Launched(argv=("gone",), env={}),
        no_spawn=NoSpawn(t_ns=1, errno=2, message="No such file or directory"),
    )
    found = _availability(adapter, gone)
    if found.ready:
        yield "`read_probe` says that a program which could not be started is ready\nlook at `transcript.no_spawn`"
    elif not found.reason or not found.remedy:
        yield "`read_probe` gives no reason or no remedy for a program that is not there"


def probe_garbage(adapter: Adapter[Any]) -> Iterator[str]:
    """Whatever the probe's program prints, it is ready or not, and says why not."""
    for what, data in {"nothing": b"", **GARBAGE}.items():
        for exit_code in (0, 1):
            found = _availability(adapter, _printed(data, exit_code), f"on {what} ")
            if not found.ready and not found.reason:
                yield f"`read_probe` gives no reason why the runtime is not ready, on {what} and exit code {exit_code}"


def launch(adapter: Adapter[Any], job: Job, build: Build | None) -> Iterator[str]:
    """A job is started the same way each time, or refused with `RefusedError`."""
    for prompt in (job.test.prompt, *PROMPTS):
        one = job.but(test=job.test.but(prompt=prompt), chat_turn=None)
        first, again = _launch(adapter, one, build), _launch(adapter, one, build)
        if first != again:
            yield "`launch` gives something else for the same job each time"
            return
    untold = asked("untold", lambda: adapter.untold(job))
    if not isinstance(untold, frozenset):
        yield f"`untold` gives a {type(untold).__name__}"
    if isinstance(given := _launch(adapter, job, build), Launch):
        odd = [name for name in given.files if "/" in name or name in ("", ".", "..")]
        if odd:
            yield f"`launch` names the file {odd[0]!r}\nname files plainly: they are written into the scratch folder"


def _launch(adapter: Adapter[Any], job: Job, build: Build | None) -> Launch | str:
    try:
        given = adapter.launch(job, build)
    except RefusedError as error:
        return str(error)
    except Exception as error:
        shown = shortened(job.test.prompt, 40)
        wrong = f"`launch` raises {type(error).__name__} ({error}) for the prompt {shown!r}"
        raise WrongError(f"{wrong}\nraise RefusedError for a job that the runtime can't do") from error
    if not isinstance(given, Launch):
        raise WrongError(f"`launch` gives a {type(given).__name__}, and not a Launch")
    return given


def _availability(adapter: Adapter[Any], transcript: Transcript, when: str = "") -> Availability:
    found = asked("read_probe", lambda: adapter.read_probe(transcript), when)
    if not isinstance(found, Availability):
        raise WrongError(f"`read_probe` gives a {type(found).__name__} {when}and not an Availability")
    return found


def _printed(data: bytes, exit_code: int = 0) -> Transcript:
    pieces = (Piece(10 * MS, "out", data),) if data else ()
    return Transcript(
        head=Head(purpose="probe", runtime="r"),
        launch=Launched(argv=("program",), env={}),
        spawn=Spawned(t_ns=MS, pid=1, wall="2026-01-01T00:00:00Z"),
        pieces=pieces,
        end=End(t_ns=20 * MS, by="exit", exit_code=exit_code),
    )


DESCRIBING: dict[str, Callable[[Adapter[Any]], Iterator[str]]] = {
    "settings": settings,
    "hooks": hooks,
    "probe-missing": probe_missing,
    "probe-garbage": probe_garbage,
}
