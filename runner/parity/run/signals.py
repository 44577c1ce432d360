"""Turns the user's signals into a wish to stop."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from parity.hosts.cancel import Cancel
from parity.interrupts import end_soon, is_ignored


@contextmanager
def cancelling() -> Iterator[Cancel]:
    """SIGINT, SIGTERM and SIGHUP ask the run to stop; the second one kills the program at work at once, and ends parity
    within a second. One that is ignored stays so."""
    # Ignored by whoever started parity, SIGCHLD would take the children's exit statuses away.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with Cancel() as cancel:

        def handle(number: int, frame: FrameType | None) -> None:
            cancel.request()
            if cancel.count > 1:
                end_soon()

        signals = [number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if not is_ignored(number)]
        before = [signal.signal(number, handle) for number in signals]
        try:
            yield cancel
        finally:
            for number, handler in zip(signals, before, strict=True):
                signal.signal(number, handler)
