"""How long trials of each cell took, and so how long the rest will."""

import time
from collections.abc import Mapping, Sequence

from parity.records import Cell, Slot
from parity.run.schedule import estimate_s


class Pace:
    """`number`: how many trials have begun. `expected`: cell → mean seconds of its trials in an earlier run, which
    stand in until a trial has ended."""

    def __init__(self, expected: Mapping[Cell, float] | None = None) -> None:
        self.slot: Slot | None = None
        self.number = 0
        self._expected = dict(expected or {})
        self._left: Sequence[Slot] = ()
        self._open = False
        self._began = 0.0
        self._took: dict[Cell, list[float]] = {}
        self._more_rounds: dict[str, int] = {}

    def begin(self, slot: Slot, left: Sequence[Slot], *, open: bool = False) -> None:
        """`open`: more rounds may follow those that are known to be left."""
        self.slot, self._left, self._began = slot, left, time.monotonic()
        self._open = open
        self.number += 1

    def likely(self, test: str, more_rounds: int | None) -> None:
        """About how many rounds of a test are still needed, the next one included; None where nothing tells."""
        self._more_rounds[test] = more_rounds or 1

    @property
    def place(self) -> str:
        """`3/25`: the trial at hand, of those that have begun or are left. `3/25+`: further rounds may follow."""
        return f"{self.number}/{self.number + max(0, len(self._left) - 1)}{'+' if self._open else ''}"

    @property
    def or_more(self) -> str:
        """Said behind the time that is left."""
        return " or more" if self._open and not self._more_rounds else ""

    def done(self, slot: Slot) -> None:
        """The trial that began last has ended."""
        self._took.setdefault(slot.cell, []).append(time.monotonic() - self._began)

    def left_s(self) -> float | None:
        """How long all that is likely left takes; None where no trial tells."""
        means = self._expected | {cell: sum(times) / len(times) for cell, times in self._took.items()}
        ahead = estimate_s([*self._left, *self._further()], means)
        return None if ahead is None else max(0.0, ahead - (time.monotonic() - self._began))

    def _further(self) -> list[Slot]:
        """The slots of rounds beyond the next that are likely needed."""
        found: list[Slot] = []
        for test, rounds in self._more_rounds.items() if self._open else ():
            cells = {slot.cell: slot for slot in self._left if slot.test == test and slot.is_measured}
            found += [*cells.values()] * (rounds - 1)
        return found


def in_words(seconds: float) -> str:
    """`45 s`, `3 min`."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
