"""What `parity run` says on standard error while it works: a live line on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from parity.hosts.sighting import Sighting
from parity.models import Step
from parity.records import OWN, SHARED, Cell, Slot, Trial
from parity.report.markdown import printable_lines
from parity.run.schedule import estimate_s
from parity.units import format_value

HEARTBEAT_S = 30.0
"""How often a long step says in a log how far it is."""


class Progress(Protocol):
    """Shows what happens in a run, as it happens. `open`: more rounds may follow those that are known to be left."""

    def note(self, line: str) -> None: ...
    def begin(self, slot: Slot, left: Sequence[Slot], *, open: bool = False) -> None: ...
    def sight(self, sighting: Sighting) -> None: ...
    def done(self, slot: Slot, trial: Trial) -> None: ...
    def built(self, runtime: str, steps: int) -> None: ...
    def fetched(self, step: Step) -> None: ...


class PlainProgress:
    """One line a finished trial, for logs."""

    def __init__(self, write: Callable[[str], object] | None = None) -> None:
        self._print = write or (lambda line: print(line, file=sys.stderr, flush=True))
        self._clock = _Clock()
        self._step: str | None = None
        self._spoke = 0.0

    def _write(self, line: str) -> None:
        self._print(printable_lines(line))

    def note(self, line: str) -> None:
        self._write(line)

    def begin(self, slot: Slot, left: Sequence[Slot], *, open: bool = False) -> None:
        self._clock.begin(slot, left, open=open)

    def sight(self, sighting: Sighting) -> None:
        pass

    def done(self, slot: Slot, trial: Trial) -> None:
        self._clock.done(slot)
        self._write(f"[{self._clock.place}] {describe(slot)}: {result_of(trial)}")

    def built(self, runtime: str, steps: int) -> None:
        if steps % 25 == 0:
            self._write(f"{runtime}: building, {steps} steps done")

    def fetched(self, step: Step) -> None:
        """One line when a step begins, and a sign of life every half minute."""
        now = time.monotonic()
        if step.what != self._step or now - self._spoke >= HEARTBEAT_S:
            self._step, self._spoke = step.what, now
            self._write(_step_line(step))


class LiveProgress:
    """One line that is rewritten in place, above it the finished trials."""

    def __init__(self, console: Console, live: Live) -> None:
        self._console = console
        self._live = live
        self._clock = _Clock()
        self._phase = ""
        self._first_ns = 0

    def note(self, line: str) -> None:
        self._console.print(Text(printable_lines(line)))

    def begin(self, slot: Slot, left: Sequence[Slot], *, open: bool = False) -> None:
        self._clock.begin(slot, left, open=open)
        self._first_ns = 0
        self._phase = "starting"
        self._show(slot)

    def sight(self, sighting: Sighting) -> None:
        match sighting.kind:
            case "spawn":
                self._phase = "loading"
            case "ready":
                self._phase = "prefill"
            case "first-token":
                self._first_ns = sighting.t_ns
                self._phase = "first token"
            case "token" if self._first_ns and sighting.t_ns > self._first_ns:
                rate = (sighting.count - 1) / ((sighting.t_ns - self._first_ns) * 1e-9)
                self._phase = f"token {sighting.count}, {rate:.1f} token/s"
            case _:
                return
        if self._clock.slot is not None:
            self._show(self._clock.slot)

    def done(self, slot: Slot, trial: Trial) -> None:
        self._clock.done(slot)
        style = "" if trial.failure is None else "red"
        line = f"[{self._clock.place}] {describe(slot)}: {result_of(trial)}"
        self._console.print(Text(printable_lines(line), style=style))

    def built(self, runtime: str, steps: int) -> None:
        self._live.update(Text(f"{runtime}: building, {steps} steps done", style="dim"))

    def fetched(self, step: Step) -> None:
        self._live.update(Text(_step_line(step)))

    def _show(self, slot: Slot) -> None:
        left = self._clock.left_s()
        ahead = f" · about {_duration(left)}{self._clock.or_more} left" if left is not None else ""
        self._live.update(Text(f"[{self._clock.place}] {describe(slot)} · {self._phase}{ahead}", style="dim"))


class _Clock:
    """How long trials of each cell took, and so how long the rest will. `number`: how many have begun."""

    def __init__(self) -> None:
        self.slot: Slot | None = None
        self.number = 0
        self._left: Sequence[Slot] = ()
        self._open = False
        self._began = 0.0
        self._took: dict[Cell, list[float]] = {}

    def begin(self, slot: Slot, left: Sequence[Slot], *, open: bool = False) -> None:
        self.slot, self._left, self._began = slot, left, time.monotonic()
        self._open = open
        self.number += 1

    @property
    def place(self) -> str:
        """`3/25`: the trial at hand, of those that have begun or are left. `3/25+`: further rounds may follow."""
        return f"{self.number}/{self.number + max(0, len(self._left) - 1)}{'+' if self._open else ''}"

    @property
    def or_more(self) -> str:
        return " or more" if self._open else ""

    def done(self, slot: Slot) -> None:
        self._took.setdefault(slot.cell, []).append(time.monotonic() - self._began)

    def left_s(self) -> float | None:
        means: Mapping[Cell, float] = {cell: sum(times) / len(times) for cell, times in self._took.items()}
        ahead = estimate_s(self._left, means)
        return None if ahead is None else max(0.0, ahead - (time.monotonic() - self._began))


@contextmanager
def showing() -> Iterator[Progress]:
    """A live line where standard error is a terminal, plain lines elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield PlainProgress()
        return
    with Live(console=console, transient=True, refresh_per_second=4) as live:
        yield LiveProgress(console, live)


def describe(slot: Slot) -> str:
    """A trial in a few words."""
    turn = f"warm-up {slot.round}" if slot.warmup else f"round {slot.round}"
    if slot.task == "score":
        turn = {SHARED: "score", OWN: "score of its own answer"}.get(slot.round, f"score of text {slot.round - OWN}")
    if slot.kind == "exact":
        turn = "score by the exact arm"
    kind = "" if slot.kind in ("full", "exact") else f" ({slot.kind})"
    return f"{turn}{kind} · {slot.model} · {slot.test} · {slot.runtime}"


def result_of(trial: Trial) -> str:
    """What came of it in a few words."""
    if trial.failure is not None:
        void = f" (void: {trial.void})" if trial.void is not None else ""
        return f"{trial.failure.kind}: {trial.failure.message}{void}"
    if trial.void is not None:
        return f"void: {trial.void}"
    shown = []
    for metric in ("load_s", "prompt_tps", "gen_tps"):
        value = next((m for m in trial.measurements if m.metric == metric and m.value is not None), None)
        if value is not None and value.value is not None:
            shown.append(f"{metric} {format_value(value.value, value.unit)}")
    return ", ".join(shown) or "done"


def _step_line(step: Step) -> str:
    if not step.done and not step.total:
        return step.what
    if step.unit != "bytes":
        return f"{step.what}: {step.done}{f' of {step.total}' if step.total else ''} {step.unit}"
    of = f" of {format_value(step.total, 'bytes')}" if step.total else ""
    return f"{step.what}: {format_value(step.done, 'bytes')}{of}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
