"""The commands that look further into a cell, for the platform and the kind of runtime that ran it.

Each of them starts `parity run` for one round of the cell, and follows the processes that it starts. So they need
nothing that parity removes after a trial.
"""

import shlex
from dataclasses import dataclass
from pathlib import PurePath

from parity.records import Report, Trial
from parity.report.again import run_once


@dataclass(frozen=True)
class Commands:
    """`cell`: what runs the cell. `python`: whether the runtime is a program in Python."""

    cell: str
    darwin: bool
    python: bool
    config: str | None

    @property
    def profile(self) -> str:
        """In which functions the time goes."""
        if self.python:
            # On macOS, py-spy needs root, and shows no native frames.
            how = "sudo py-spy record --subprocesses" if self.darwin else "py-spy record --subprocesses --native"
            return f"{how} --output profile.svg -- {self.cell}"
        if self.darwin:
            return f"samply record -- {self.cell}"
        return f"perf record -g --output perf.data -- {self.cell}"

    @property
    def waits(self) -> str:
        """Where threads stop to wait."""
        if self.darwin:
            if self.python:
                return f"sudo py-spy record --subprocesses --idle --output waits.svg -- {self.cell}"
            return f"samply record -- {self.cell}"
        return f"perf record -e context-switches -g --output waits.data -- {self.cell}"

    @property
    def calls(self) -> str:
        """Which calls of the kernel take the time."""
        if self.darwin:
            return self.profile
        return f"strace -f -c -w -o calls.txt -- {self.cell}"

    @property
    def files(self) -> str:
        """Which files are opened, read and mapped."""
        if self.darwin:
            return f"sudo fs_usage -w -f filesys > files.txt & {self.cell}; sudo pkill fs_usage"
        return f"strace -f -e trace=openat,read,pread64,mmap -o files.txt -- {self.cell}"

    def faults(self, *, major: bool) -> str:
        """Where page faults come from."""
        if self.darwin:
            return self.profile
        return f"perf record -e {'major' if major else 'page'}-faults -g --output faults.data -- {self.cell}"

    @property
    def doctor(self) -> str:
        """Which device each runtime finds."""
        return shlex.join(["parity", "doctor", *([self.config] if self.config is not None else [])])


def commands_for(report: Report, test: str, runtime: str, trial: Trial | None) -> Commands:
    """`trial`: one of the runtime's, whose command line says what it is. Where the config is not known, the command
    line itself is run."""
    argv = trial.command if trial is not None else ()
    cell = run_once(report, test, runtime) or shlex.join(argv) or f"parity run CONFIG --only {shlex.quote(runtime)}"
    return Commands(
        cell=cell,
        darwin=report.machine.get("platform") == "darwin",
        python=bool(argv) and PurePath(argv[0]).name.startswith("python"),
        config=report.config_file,
    )
