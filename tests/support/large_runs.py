"""Run folders of any size in seconds: every trial is scripted, and written by the functions that write a real one.

The run loop is left out, so that folders of sizes can be made that the loop itself is measured on.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from scripted_host import MODEL, Script, ScriptedHost

from parity.cli.common import load
from parity.config import LoadedConfig
from parity.hosts.cancel import Cancel
from parity.run.log import RunFolder, now
from parity.run.loop import ask_runtimes, finish_preparing
from parity.run.performing import perform
from parity.run.progress import PlainProgress
from parity.run.prompts import render_prompts
from parity.run.record import RunRecord
from parity.run.schedule import schedule
from parity.run.session import LOCAL, Session
from parity.run.sources import resolve_models
from parity.run.state import State
from parity.version import version


@dataclass(frozen=True)
class Size:
    """How many cells and trials a run has: every test is run by every runtime in every round."""

    runtimes: int = 2
    tests: int = 1
    rounds: int = 5
    tokens: int = 12

    @property
    def cells(self) -> int:
        return self.runtimes * self.tests

    @property
    def trials(self) -> int:
        return self.cells * self.rounds


def config_of(size: Size) -> str:
    """A config of that size: two gates on each implementation."""
    runtimes = "".join(
        f'[runtimes.r{k}]\nadapter = "command"\nprogram = "r{k}"\nargs = ["{{model}}"]\nevents = true\n'
        for k in range(size.runtimes)
    )
    tests = "".join(
        f'[[tests]]\nname = "t{k}"\nprompt = "hello {k}"\nmax_tokens = {size.tokens}\n' for k in range(size.tests)
    )
    return f"""
baseline = "r0"

[[models]]
name = "m"
source = "{MODEL}"

{tests}
{runtimes}
[rounds]
count = {size.rounds}
warmup = 0

[[gates]]
name = "hangs"
kind = "no-failed-trials"

[[gates]]
name = "speed"
kind = "ratio"
metric = "gen_tps"
min_ratio = 0.5
"""


def host_of(size: Size, cache: Path) -> ScriptedHost:
    """A host on which every runtime behaves well."""
    return ScriptedHost({f"r{k}": Script() for k in range(size.runtimes)}, cache)


def begin(folder: Path, size: Size) -> tuple[Session, State]:
    """A run of that size in a new folder below `folder`, prepared and without any trial."""
    config = folder / "case.toml"
    config.write_text(config_of(size), encoding="utf-8")
    loaded: LoadedConfig = load(config)
    host = host_of(size, folder / "cache")
    progress, cancel = PlainProgress(), Cancel()
    session = Session(loaded, RunFolder.create(folder / "run", "case"), {LOCAL: host}, progress, cancel)
    models = resolve_models(loaded, progress)
    record = RunRecord(
        started=now(),
        parity_version=version(),
        loaded=loaded,
        models=models,
        hosts={LOCAL: host.facts()},
        machine=host.machine(),
    )
    session.folder.write_run(record)
    prepared = finish_preparing(session, record, ask_runtimes(session))
    render_prompts(session, models, needed=False)
    return session, State(record, prepared)


def make_run(folder: Path, size: Size, *, trials: int | None = None) -> RunFolder:
    """A run of that size that came to its end, or has so many `trials`."""
    with ExitStack() as stack:
        # Nothing that is lost here is missed.
        stack.enter_context(patch("os.fsync", lambda descriptor: None))
        session, state = begin(folder, size)
        slots = [slot for turn in schedule(state.config) for slot in turn][:trials]
        for slot in slots:
            perform(session, *state.work_of(slot), slot)
        session.folder.end(interrupted=False)
    return session.folder
