"""Which commit a runtime is built from. Neither a package's version nor an executable's hash shows that, because the
sources can have changed since. Pure.
"""

import re
from pathlib import Path

from parity.adapter import Availability, Command
from parity.records import Checkout
from parity.transcript import Transcript

_WITH = ("--untracked-files=normal", "--ignore-submodules=none")
"""New files count too: a new build script or Cargo configuration changes what is built."""

_OF_CARGO = "? Cargo.lock"
"""Cargo makes it where a project leaves it out of git; its effect shows in the executable's hash."""

_COMMIT = re.compile(r"# branch\.oid ([0-9a-f]{40,64})$")


def command(folder: str) -> Command:
    """Asks for the commit, and the changed and new files, of a source tree; never of a repository around it."""
    return Command(
        argv=("git", "--no-optional-locks", "status", "--porcelain=v2", "--branch", *_WITH),
        env={"GIT_CEILING_DIRECTORIES": str(Path(folder).parent)},
        cwd=folder,
    )


def read(transcript: Transcript, folder: str) -> Checkout:
    """Reads what git printed; without a commit in it, the commit is unknown."""
    lines = [line.text for line in transcript.lines("out")]
    commit = next((match[1] for line in lines if (match := _COMMIT.match(line))), None)
    if commit is None or transcript.end is None or transcript.end.exit_code != 0:
        return Checkout(folder=folder)
    changed = sum(not line.startswith("#") and line != _OF_CARGO for line in lines)
    return Checkout(folder=folder, commit=commit, changed_files=changed)


def built_from(found: Availability, checkout: Checkout) -> Availability:
    """What a probe found, with the tree that the runtime is built from as part of its version."""
    version = ", ".join(part for part in (found.version, str(checkout)) if part)
    return found.but(version=version, checkout=checkout)
