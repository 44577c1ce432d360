"""Which commit a runtime is built from. Neither a package's version nor an executable's hash tells that: sources can
have changed since. Pure.
"""

import re
from pathlib import Path

from parity.adapter import Availability, Command
from parity.records import Checkout
from parity.transcript import Transcript

_WITH = ("--untracked-files=normal", "--ignore-submodules=none")
"""A new build script or Cargo configuration changes what is built as a changed file does."""

_OF_CARGO = "? Cargo.lock"
"""Made by Cargo where a project leaves it out of git; the executable's hash tells what it led to."""

_COMMIT = re.compile(r"# branch\.oid ([0-9a-f]{40,64})$")


def command(folder: str) -> Command:
    """Commit, and changed and new files, of a source tree. A repository around it isn't asked in its place."""
    return Command(
        argv=("git", "--no-optional-locks", "status", "--porcelain=v2", "--branch", *_WITH),
        env={"GIT_CEILING_DIRECTORIES": str(Path(folder).parent)},
        cwd=folder,
    )


def read(transcript: Transcript, folder: str) -> Checkout:
    """What git said; a commit that it did not name is unknown."""
    lines = [line.text for line in transcript.lines("out")]
    commit = next((match[1] for line in lines if (match := _COMMIT.match(line))), None)
    if commit is None or transcript.end is None or transcript.end.exit_code != 0:
        return Checkout(folder=folder)
    changed = sum(not line.startswith("#") and line != _OF_CARGO for line in lines)
    return Checkout(folder=folder, commit=commit, changed_files=changed)


def built_from(found: Availability, checkout: Checkout) -> Availability:
    """What a probe found, with the tree that the runtime is built from as part of its version."""
    version = ", ".join(part for part in (found.version, str(checkout)) if part)
    return found.model_copy(update={"version": version, "checkout": checkout})
