"""How often parity wakes while a program runs: as seldom as its purpose allows, for it takes a core that the program
may compute on. Instants are in ns of the monotonic clock."""

import time

from parity.hosts.local.deadlines import ns

FIRST_SAMPLE_S = 0.05
SAMPLE_EVERY_S = 0.25
BRISK_S = 1.0
"""After a mark, samples come every `SAMPLE_EVERY_S` for so long: a short phase has to hold two of them."""

SAMPLE_SELDOM_S = 1.0
"""And then so seldom: a look at the process table takes about a ms."""

BURST = 16
BREATH_S = 0.001
"""Once parity is `BURST` reads ahead of one in each such time, it waits so long before each: what is printed meanwhile
comes in one read, and is stamped later by no more than that."""


class Pace:
    """When memory and CPU time are looked at next, and whether a read can wait for more. `always_every_s`: so often
    throughout, where parity itself keeps a limit of memory."""

    def __init__(self, spawned_ns: int, *, always_every_s: float | None = None) -> None:
        self._always_every_s = always_every_s
        self.sample_due_ns = spawned_ns + ns(FIRST_SAMPLE_S)
        self._marked_ns = spawned_ns
        self._ahead = 0.0

    def mark(self, t_ns: int) -> None:
        """A phase begins, of which samples are wanted soon."""
        self._marked_ns = t_ns
        self.sample_due_ns = min(self.sample_due_ns, t_ns + ns(SAMPLE_EVERY_S))

    def sampled(self, now_ns: int) -> None:
        """A sample is taken now."""
        seldom = now_ns - self._marked_ns > ns(BRISK_S)
        self.sample_due_ns = now_ns + ns(self._always_every_s or (SAMPLE_SELDOM_S if seldom else SAMPLE_EVERY_S))

    def breathe(self, waited_ns: int) -> None:
        """Before a read for which parity waited so long: keeps a program that prints without a pause from waking it
        with every line."""
        self._ahead = max(0.0, self._ahead - waited_ns / ns(BREATH_S)) + 1
        if self._ahead > BURST:
            time.sleep(BREATH_S)
            self._ahead -= 1
