"""What `parity run` says on standard error while it works: a live view on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live

from parity.hosts.sighting import Sighting
from parity.judging.evidence import Standing
from parity.models import Step
from parity.records import Cell, Slot, Trial
from parity.run.live import REFRESHES_PER_SECOND, LiveProgress
from parity.run.pace import Pace
from parity.run.words import describe, result_of, standing_line, step_line
from parity.visible import printable_lines

HEARTBEAT_S = 30.0
"""How often a long step says in a log how far it is."""


class Progress(Protocol):
    """Shows what happens in a run, as it happens. `open`: more rounds may follow those that are known to be left.
    `standing`: how the gates of a test stand after so many rounds, of which some are undecided."""

    def note(self, line: str) -> None: ...
    def standing(self, test: str, rounds: int, standing: Sequence[Standing]) -> None: ...
    def begin(self, slot: Slot, left: Sequence[Slot], *, open: bool = False) -> None: ...
    def sight(self, sighting: Sighting) -> None: ...
    def done(self, slot: Slot, trial: Trial) -> None: ...
    def built(self, runtime: str, steps: int) -> None: ...
    def fetched(self, step: Step) -> None: ...


class PlainProgress:
    """One line a finished trial, for logs."""

    def __init__(self, write: Callable[[str], object] | None = None) -> None:
        self._print = write or (lambda line: print(line, file=sys.stderr, flush=True))
        self._pace = Pace()
        self._step: str | None = None
        self._spoke = 0.0

    def _write(self, line: str) -> None:
        self._print(printable_lines(line))

    def note(self, line: str) -> None:
        self._write(line)

    def standing(self, test: str, rounds: int, standing: Sequence[Standing]) -> None:
        undecided = "; ".join(standing_line(gate) for gate in standing if gate.judgement.open)
        self._write(f"{test}: undecided after {rounds} rounds: {undecided}")

    def begin(self, slot: Slot, left: Sequence[Slot], *, open: bool = False) -> None:
        self._pace.begin(slot, left, open=open)

    def sight(self, sighting: Sighting) -> None:
        pass

    def done(self, slot: Slot, trial: Trial) -> None:
        self._pace.done(slot)
        self._write(f"[{self._pace.place}] {describe(slot)}: {result_of(trial)}")

    def built(self, runtime: str, steps: int) -> None:
        if steps % 25 == 0:
            self._write(f"{runtime}: building, {steps} steps done")

    def fetched(self, step: Step) -> None:
        """One line when a step begins, and a sign of life every half minute."""
        now = time.monotonic()
        if step.what != self._step or now - self._spoke >= HEARTBEAT_S:
            self._step, self._spoke = step.what, now
            self._write(step_line(step))


class QuietProgress(PlainProgress):
    """Nothing at all."""

    def __init__(self) -> None:
        super().__init__(lambda line: None)


@contextmanager
def showing(expected: Mapping[Cell, float] | None = None, *, quiet: bool = False) -> Iterator[Progress]:
    """Lines that are rewritten in place where standard error is a terminal, plain lines elsewhere. `expected`: cell →
    mean seconds of its trials in an earlier run. `quiet`: nothing is shown."""
    if quiet:
        yield QuietProgress()
        return
    console = Console(stderr=True)
    # Colours can be forced upon a log, but no line of it can be rewritten.
    if not sys.stderr.isatty() or console.is_dumb_terminal:
        yield PlainProgress()
        return
    with Live(console=console, transient=True, refresh_per_second=REFRESHES_PER_SECOND) as live:
        yield LiveProgress(console, live, expected)
