"""Orphans of a program that was started come to us, and can be ended there: Linux only.

A process that asks for it (prctl(2), PR_SET_CHILD_SUBREAPER) becomes the parent of every orphan among its descendants.
So no descendant gets lost, whatever session it is in and whatever it did with its environment.
"""

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


@cache
def adopt_orphans() -> bool:
    """From now on, orphans among our descendants come to us. Whether the system does that."""
    if sys.platform != "linux":
        return False
    try:
        return bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


def is_adopted(pid: int, before: set[int]) -> bool:
    """Whether a child of ours is an orphan that came to us: what parity starts for itself stays in its session, and
    programs under test never are in it. The first process of a container gets orphans of everybody in it, so that they
    say nothing there."""
    if os.getpid() == 1:
        return False
    try:
        return pid not in before and os.getsid(pid) != os.getsid(0)
    except OSError:
        return False


def end_adopted(leader: int, before: set[int], give_up_s: float) -> bool:
    """Kills and reaps every orphan that came to us, and those that come meanwhile, until `give_up_s` of the monotonic
    clock; whether any was alive. A process that forks and exits without end is caught here: its next one is always a
    child of ours, and this asks for nothing but our children."""
    alive = False
    while orphans := [pid for pid in _children() if pid != leader and is_adopted(pid, before)]:
        for pid in orphans:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        for pid in orphans:
            with suppress(OSError):
                reaped, status = os.waitpid(pid, os.WNOHANG)
                alive |= bool(reaped) and status == signal.SIGKILL
        if time.monotonic() >= give_up_s:
            break
    return alive


def _children() -> list[int]:
    """Our children, of any of our threads; none where the system doesn't list them."""
    found: list[int] = []
    for path in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, path.read_bytes().split())
    return found
