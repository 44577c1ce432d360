"""What parity asks of a machine: to say what it is, and to run one program and give back its transcript."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from parity.adapter import Command, Launch
from parity.hosts.cancel import Cancel
from parity.hosts.sighting import Sighting
from parity.records import Busyness, ConditionLimits, HostFacts, Limits, PageCache, PageCachePolicy, Scalar
from parity.transcript import Head, Transcript


@dataclass(frozen=True)
class Request:
    """One program to run. `head` says why; `hidden` are values that must not be written down; `page_cache` is what is
    known of the files of a trial's model."""

    launch: Command | Launch
    head: Head
    limits: Limits
    pass_env: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    page_cache: PageCache | None = None


class Host(Protocol):
    """A machine on which programs run."""

    label: str

    def facts(self) -> HostFacts:
        """What adapters may know of the machine."""
        ...

    def machine(self) -> dict[str, Scalar]:
        """What a reader of figures wants to know of the machine and of its load right now."""
        ...

    def busyness(self, limits: ConditionLimits) -> Busyness:
        """How busy others keep the machine, and with which processes where they use more than the limits allow."""
        ...

    def bring(self, model: str, wanted: PageCachePolicy, cancel: Cancel | None = None) -> PageCache:
        """Brings the files of a model (a file or a folder) into the wanted state of the page cache; `as-is` only looks.

        Raises:
            CannotDropError: they are to be dropped, and this machine can't.
        """
        ...

    def holds(self, pattern: str) -> bool:
        """Whether a file matches a path or a glob."""
        ...

    def no_room(self, folder: str, needed: int, what: str) -> str | None:
        """Why `what`, of `needed` bytes in all, does not fit on the disk of a folder that may hold a part of it
        already, as a clause; None where it does, or where nobody knows."""
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
