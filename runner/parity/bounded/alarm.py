"""A limit of time for code of other packages that runs in this process, such as a hook of an adapter."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

AGAIN_S = 1.0
"""Code that catches every exception is interrupted again so long after."""


class OverdueError(BaseException):
    """The code did not answer in time. No `except Exception` of its own keeps it."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raises OverdueError in the block once it has taken so long. It interrupts Python code, a sleep and a regular
    expression. In a thread other than the main one, nothing can, and the block runs without a limit."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _overdue)
    rest, interval = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_S)
    try:
        yield
    except OverdueError:
        raise OverdueError(f"it did not answer within {seconds:g} s") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, rest, interval)
        signal.signal(signal.SIGALRM, before)


def _overdue(number: int, frame: FrameType | None) -> None:
    raise OverdueError
