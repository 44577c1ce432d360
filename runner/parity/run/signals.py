"""Turns the user's signals into a wish to stop."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from parity.hosts.cancel import Cancel


@contextmanager
def cancelling() -> Iterator[Cancel]:
    """SIGINT, SIGTERM and SIGHUP ask the run to stop; the second one kills the program at work at once."""
    # Ignored by whoever started parity, SIGCHLD would take the children's exit statuses away.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with Cancel() as cancel:

        def handle(number: int, frame: FrameType | None) -> None:
            cancel.request()

        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = [signal.signal(number, handle) for number in signals]
        try:
            yield cancel
        finally:
            for number, handler in zip(signals, before, strict=True):
                signal.signal(number, handler)
