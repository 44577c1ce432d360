"""What a run shows on a terminal while it works: lines that are rewritten in place, and above them what has ended."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.live import Live
from rich.text import Text

from parity.hosts.sighting import Sighting
from parity.judging.evidence import Standing
from parity.models import Step
from parity.records import Cell, Slot, Trial
from parity.run.pace import Pace, in_words
from parity.run.words import describe, result_of, standing_line, step_line
from parity.visible import printable, printable_lines

REFRESHES_PER_SECOND = 2
"""Each costs the machine that is measured a millisecond or two."""

MOST_STANDINGS = 8
"""Gates that are shown; those that are undecided come first."""


class LiveProgress:
    """The trial at hand with its phase, and how the gates of its test stand. `expected`: see `Pace`."""

    def __init__(self, console: Console, live: Live, expected: Mapping[Cell, float] | None = None) -> None:
        self._console = console
        self._live = live
        self._pace = Pace(expected)
        self._phase = ""
        self._first_ns = 0
        self._standing: dict[str, list[str]] = {}

    def note(self, line: str) -> None:
        self._console.print(Text(printable_lines(line)))

    def standing(self, test: str, rounds: int, standing: Sequence[Standing]) -> None:
        lines = sorted(standing, key=lambda s: s.judgement.verdict != "INCONCLUSIVE")
        shown = [f"  {s.judgement.verdict:<14}  {printable(standing_line(s))}" for s in lines[:MOST_STANDINGS]]
        more = [f"  {'':<14}  and {len(lines) - MOST_STANDINGS} more"] if len(lines) > MOST_STANDINGS else []
        self._standing = {test: [f"after {rounds} rounds of {printable(test)}:", *shown, *more]}
        self._pace.likely(test, likely_rounds(standing))

    def begin(self, slot: Slot, left: Sequence[Slot], *, open: bool = False) -> None:
        self._pace.begin(slot, left, open=open)
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
        if self._pace.slot is not None:
            self._show(self._pace.slot)

    def done(self, slot: Slot, trial: Trial) -> None:
        self._pace.done(slot)
        style = "" if trial.failure is None else "red"
        line = f"[{self._pace.place}] {describe(slot)}: {result_of(trial)}"
        self._console.print(Text(printable_lines(line), style=style))

    def built(self, runtime: str, steps: int) -> None:
        self._live.update(Text(f"{runtime}: building, {steps} steps done", style="dim"))

    def fetched(self, step: Step) -> None:
        self._live.update(Text(step_line(step)))

    def _show(self, slot: Slot) -> None:
        left = self._pace.left_s()
        ahead = f" · about {in_words(left)}{self._pace.or_more} left" if left is not None else ""
        line = f"[{self._pace.place}] {describe(slot)} · {self._phase}{ahead}"
        lines = [*self._standing.get(slot.test, ()), line]
        self._live.update(Text("\n".join(lines), style="dim", no_wrap=True, overflow="ellipsis"))


def likely_rounds(standing: Sequence[Standing]) -> int | None:
    """How many more rounds decide all gates that can be decided; None where nothing tells."""
    return max((s.judgement.more_rounds for s in standing if s.judgement.more_rounds is not None), default=None)
