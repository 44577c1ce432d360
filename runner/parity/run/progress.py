"""What `parity run` says on standard error while it works: a live line on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from parity.hosts.local import Sighting
from parity.records import Cell, Trial
from parity.run.schedule import PlannedTrial, estimate_s
from parity.units import format_value


class Progress(Protocol):
    """Told of everything that happens in a run, in order."""

    def note(self, line: str) -> None: ...
    def begin(self, trial: PlannedTrial, left: Sequence[PlannedTrial]) -> None: ...
    def sight(self, sighting: Sighting) -> None: ...
    def done(self, planned: PlannedTrial, trial: Trial) -> None: ...
    def built(self, runtime: str, steps: int) -> None: ...
    def fetched(self, what: str, done_bytes: int, total_bytes: int | None) -> None: ...


class PlainProgress:
    """One line a finished trial, for logs."""

    def __init__(self, total: int = 0, write: Callable[[str], object] | None = None) -> None:
        self.total = total
        self._write = write or (lambda line: print(line, file=sys.stderr, flush=True))
        self._clock = _Clock()
        self._tenth: dict[str, int] = {}

    def note(self, line: str) -> None:
        self._write(line)

    def begin(self, trial: PlannedTrial, left: Sequence[PlannedTrial]) -> None:
        self._clock.begin(trial, left)

    def sight(self, sighting: Sighting) -> None:
        pass

    def done(self, planned: PlannedTrial, trial: Trial) -> None:
        self._clock.done(planned)
        self._write(f"[{planned.number}/{self.total}] {describe(planned)}: {result_of(trial)}")

    def built(self, runtime: str, steps: int) -> None:
        if steps % 25 == 0:
            self._write(f"{runtime}: building, {steps} steps done")

    def fetched(self, what: str, done_bytes: int, total_bytes: int | None) -> None:
        tenth = done_bytes * 10 // total_bytes if total_bytes else 0
        if self._tenth.get(what) != tenth:
            self._tenth[what] = tenth
            self._write(_fetch_line(what, done_bytes, total_bytes))


class LiveProgress:
    """One line that is rewritten in place, above it the finished trials."""

    def __init__(self, console: Console, live: Live, total: int) -> None:
        self.total = total
        self._console = console
        self._live = live
        self._clock = _Clock()
        self._phase = ""
        self._first_ns = 0

    def note(self, line: str) -> None:
        self._console.print(Text(line))

    def begin(self, trial: PlannedTrial, left: Sequence[PlannedTrial]) -> None:
        self._clock.begin(trial, left)
        self._first_ns = 0
        self._phase = "starting"
        self._show(trial)

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
        if self._clock.trial is not None:
            self._show(self._clock.trial)

    def done(self, planned: PlannedTrial, trial: Trial) -> None:
        self._clock.done(planned)
        style = "" if trial.failure is None else "red"
        self._console.print(
            Text(f"[{planned.number}/{self.total}] {describe(planned)}: {result_of(trial)}", style=style)
        )

    def built(self, runtime: str, steps: int) -> None:
        self._live.update(Text(f"{runtime}: building, {steps} steps done", style="dim"))

    def fetched(self, what: str, done_bytes: int, total_bytes: int | None) -> None:
        self._live.update(Text(_fetch_line(what, done_bytes, total_bytes)))

    def _show(self, trial: PlannedTrial) -> None:
        left = self._clock.left_s()
        ahead = f" · about {_duration(left)} left" if left is not None else ""
        self._live.update(Text(f"[{trial.number}/{self.total}] {describe(trial)} · {self._phase}{ahead}", style="dim"))


class _Clock:
    """How long trials of each cell took, and so how long the rest will."""

    def __init__(self) -> None:
        self.trial: PlannedTrial | None = None
        self._left: Sequence[PlannedTrial] = ()
        self._began = 0.0
        self._took: dict[Cell, list[float]] = {}

    def begin(self, trial: PlannedTrial, left: Sequence[PlannedTrial]) -> None:
        self.trial, self._left, self._began = trial, left, time.monotonic()

    def done(self, trial: PlannedTrial) -> None:
        self._took.setdefault(trial.cell, []).append(time.monotonic() - self._began)

    def left_s(self) -> float | None:
        means: Mapping[Cell, float] = {cell: sum(times) / len(times) for cell, times in self._took.items()}
        ahead = estimate_s(self._left, means)
        return None if ahead is None else max(0.0, ahead - (time.monotonic() - self._began))


@contextmanager
def showing(total: int) -> Iterator[Progress]:
    """A live line where standard error is a terminal, plain lines elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield PlainProgress(total)
        return
    with Live(console=console, transient=True, refresh_per_second=4) as live:
        yield LiveProgress(console, live, total)


def describe(trial: PlannedTrial) -> str:
    """A trial in a few words."""
    turn = f"warm-up {trial.round}" if trial.warmup else f"round {trial.round}"
    kind = "" if trial.kind == "full" else f" ({trial.kind})"
    return f"{turn}{kind} · {trial.model} · {trial.test} · {trial.runtime}"


def result_of(trial: Trial) -> str:
    """What came of it in a few words."""
    if trial.failure is not None:
        return f"{trial.failure.kind}: {trial.failure.message}"
    shown = []
    for metric in ("load_s", "prompt_tps", "gen_tps"):
        value = next((m for m in trial.measurements if m.metric == metric and m.value is not None), None)
        if value is not None and value.value is not None:
            shown.append(f"{metric} {format_value(value.value, value.unit)}")
    return ", ".join(shown) or "done"


def _fetch_line(what: str, done_bytes: int, total_bytes: int | None) -> str:
    if not done_bytes and not total_bytes:
        return what
    of = f" of {format_value(total_bytes, 'bytes')}" if total_bytes else ""
    return f"{what}: {format_value(done_bytes, 'bytes')}{of}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
