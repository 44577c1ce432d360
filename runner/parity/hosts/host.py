"""What parity asks of a machine: to say what it is, and to run one program and give back its transcript."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from parity.adapter import Command, Launch
from parity.hosts.cancel import Cancel
from parity.hosts.sighting import Sighting
from parity.records import HostFacts, Limits, Scalar
from parity.transcript import Head, Transcript


@dataclass(frozen=True)
class Request:
    """One program to run. `head` says why; `hidden` are values that must not be written down."""

    launch: Command | Launch
    head: Head
    limits: Limits
    pass_env: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()


class Host(Protocol):
    """A machine on which programs run."""

    label: str

    def facts(self) -> HostFacts:
        """What adapters may know of the machine."""
        ...

    def machine(self) -> dict[str, Scalar]:
        """What a reader of figures wants to know of the machine and of its load right now."""
        ...

    def holds(self, pattern: str) -> bool:
        """Whether a file matches a path or a glob."""
        ...

    def scratch(self) -> AbstractContextManager[str]:
        """An empty folder, which is removed afterwards."""
        ...

    def run(
        self,
        request: Request,
        to: Path,
        *,
        cancel: Cancel | None = None,
        watch: Callable[[Sighting], None] | None = None,
    ) -> Transcript:
        """Runs the program to its end; the transcript grows at `to` meanwhile. The files of a launch are written into
        its scratch folder first. A program that can't be started is a transcript too.

        Raises:
            FileExistsError: there is something at `to`.
        """
        ...
