"""When a process must end if nothing happens before. Pure: instants are given, in ns of the monotonic clock."""

from collections.abc import Iterator
from typing import Self

from parity.adapter import Command, Launch
from parity.records import Limits
from parity.transcript import EndedBy

IDLE_SHARE = 0.01
"""A tree that uses less of one core than this, averaged over the stall limit, makes no progress."""

HELD_BACK_S = 0.25
"""Workers hand on what they generated a few times a second (`parity_worker.HOLD_S`): so much older it may be."""

AFTER_FAIL_S = 2.0
"""The stall limit of a program that said a part of it is gone: another part may still do the work."""


def ns(seconds: float) -> int:
    """Seconds in ns."""
    return round(seconds * 1e9)


class Deadlines:
    """The limits of one process, and what has been seen of it so far. None where nothing is bounded.

    `load_s` holds from spawn to `ready`, `first_token_s` from then (or from spawn, where ready has no marker) to
    the first token, `stall_s` since the last output or CPU progress, `total_s` from spawn.
    """

    def __init__(
        self,
        spawned_ns: int,
        *,
        load_s: float | None,
        first_token_s: float | None,
        stall_s: float | None,
        total_s: float,
    ) -> None:
        self._spawned_ns = spawned_ns
        self._load_s = load_s
        self._first_token_s = first_token_s
        self._stall_s = stall_s
        self._total_s = total_s
        self._ready_ns: int | None = None
        self._first_token_seen = False
        self._failed = False
        self._progress_ns = spawned_ns
        self._cpu_s = self._progress_cpu_s = 0.0

    @classmethod
    def of(cls, launch: Command | Launch, limits: Limits, spawned_ns: int) -> Self:
        """A command is held to its own deadline alone; it may be silent as long as it likes."""
        if isinstance(launch, Command):
            return cls(spawned_ns, load_s=None, first_token_s=None, stall_s=None, total_s=launch.deadline_s)
        return cls(
            spawned_ns,
            load_s=limits.load_s if launch.markers.ready else None,
            first_token_s=limits.first_token_s if launch.markers.first_token else None,
            stall_s=limits.stall_s + HELD_BACK_S,
            total_s=limits.total_s,
        )

    def postpone(self, lasted_ns: int) -> None:
        """Time that nobody watched: parity itself was stopped for so long, and nothing that happened was seen."""
        self._spawned_ns += lasted_ns
        self._progress_ns += lasted_ns
        if self._ready_ns is not None:
            self._ready_ns += lasted_ns

    def ready(self, t_ns: int) -> None:
        """The load is over."""
        self._ready_ns = t_ns

    def first_token(self) -> None:
        """Load and prefill are over, whether or not the mark of `ready` came."""
        self._first_token_seen = True

    def failed(self, t_ns: int) -> None:
        """It said that a part of it is gone. Another part may yet be ready; once one is, that was no end."""
        self._failed = True
        self.output(t_ns)

    @property
    def _doomed(self) -> bool:
        return self._failed and self._ready_ns is None

    @property
    def _idle_s(self) -> float | None:
        """How long it may make no progress."""
        return min(AFTER_FAIL_S, self._stall_s or AFTER_FAIL_S) if self._doomed else self._stall_s

    def output(self, t_ns: int) -> None:
        """Something was printed."""
        self._progress_ns = t_ns
        self._progress_cpu_s = self._cpu_s

    def cpu(self, t_ns: int, cpu_s: float) -> None:
        """What the tree has used since its spawn."""
        self._cpu_s = cpu_s
        if cpu_s - self._progress_cpu_s > IDLE_SHARE * (self._idle_s or 0.0):
            self._progress_ns = t_ns
            self._progress_cpu_s = cpu_s

    def next(self) -> tuple[int, EndedBy]:
        """The first instant at which the process must end, and the reason."""
        return min(self._all())

    def _all(self) -> Iterator[tuple[int, EndedBy]]:
        yield self._spawned_ns + ns(self._total_s), "deadline:total"
        if self._idle_s is not None:
            yield self._progress_ns + ns(self._idle_s), "fail" if self._doomed else "stall"
        if self._first_token_seen:
            return
        if self._load_s is not None and self._ready_ns is None:
            yield self._spawned_ns + ns(self._load_s), "deadline:load"
        elif self._first_token_s is not None:
            yield (self._ready_ns or self._spawned_ns) + ns(self._first_token_s), "deadline:first-token"
