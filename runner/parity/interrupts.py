"""What the user's wish to stop does to parity itself, whatever it is at: the first ends it in good order, the second
within a second.

Only the program `parity` asks for this (`__main__`); parity as a library leaves the signals alone.
"""

import _thread
import os
import signal
import time
from contextlib import suppress
from types import FrameType

INTERRUPTED = 130
"""128 and the number of SIGINT, as shells have it."""

AT_ONCE_S = 0.7
"""How long parity may take to end in good order after the second wish."""

_MESSAGE = b"\nparity: ended at once, as asked twice; what had finished is kept\n"

_ending: list[None] = []


def begin() -> None:
    """Until the command line is there nothing has begun, and once it is done nothing is left to do: Ctrl-C ends parity
    at once, and without a word.

    A signal that was ignored when parity was started stays ignored, except for that of a child's end: without it the
    system throws the children's exit statuses away."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if not is_ignored(signal.SIGINT):
        signal.signal(signal.SIGINT, lambda number, frame: os._exit(INTERRUPTED))


def raise_from_now_on() -> None:
    """Ctrl-C raises KeyboardInterrupt, and a second one besides calls `end_soon`."""
    if not is_ignored(signal.SIGINT):
        signal.signal(signal.SIGINT, _interrupt)


def is_ignored(number: signal.Signals) -> bool:
    """Whether a signal is ignored, as `nohup` and shells leave it to programs in the background."""
    return signal.getsignal(number) is signal.SIG_IGN


def end_soon() -> None:
    """Ends this process in AT_ONCE_S unless it has ended by then, even where it hangs in something that takes no
    exception. For signal handlers, thus in the main thread: it takes no lock."""
    if _ending:
        return
    _ending.append(None)
    # A thread does it while the main thread waits for the system. A regular expression lets no thread run, but signals.
    signal.signal(signal.SIGALRM, lambda number, frame: _end())
    signal.setitimer(signal.ITIMER_REAL, AT_ONCE_S)
    _thread.start_new_thread(_wait_and_end, ())


def _wait_and_end() -> None:
    time.sleep(AT_ONCE_S)
    _end()


def _end() -> None:
    with suppress(OSError):
        os.write(2, _MESSAGE)
    os._exit(INTERRUPTED)


_wishes: list[None] = []


def _interrupt(number: int, frame: FrameType | None) -> None:
    _wishes.append(None)
    if len(_wishes) > 1:
        end_soon()
    raise KeyboardInterrupt
