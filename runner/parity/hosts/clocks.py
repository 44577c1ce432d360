"""The clocks of this machine. All that is measured comes from the monotonic one, which nothing sets.

The wall clock is for people alone: a time server or a person may set it at any moment, in either direction.
"""

import secrets
import sys
import time
from contextlib import suppress
from pathlib import Path

LOOKS = 3
"""At two clocks one after the other; what comes in between is in the difference, so that the quickest look counts."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_THIS_PROCESS = f"process {secrets.token_hex(8)}"


def slept_s() -> float:
    """How long the machine has slept since its start, in s, as far as the system counts it: the clock that all stamps
    come from stands still meanwhile."""
    counts_sleep = _counts_sleep()
    return 0.0 if counts_sleep is None else time.clock_gettime(counts_sleep) - time.monotonic()


def wall_offset_s() -> float | None:
    """The wall clock less the time since the machine was started, in s: two readings differ by what the wall clock was
    set by in between. None where the system doesn't count the time that it sleeps."""
    counts_sleep = _counts_sleep()
    if counts_sleep is None:
        return None
    found = []
    for _ in range(LOOKS):
        began = time.clock_gettime(counts_sleep)
        wall = time.time()
        found.append((time.clock_gettime(counts_sleep) - began, wall - began))
    return min(found)[1]


def since_boot() -> tuple[str, float] | None:
    """A name of this start of the machine, and the time since then in s, sleep included; None where the system doesn't
    tell. No time before the same start can be longer."""
    counts_sleep = _counts_sleep()
    with suppress(OSError, UnicodeDecodeError):
        if counts_sleep is not None:
            return BOOT_ID.read_text(encoding="ascii").strip(), time.clock_gettime(counts_sleep)
    return None


def clock_name() -> str:
    """What the monotonic clock counts from: readings of clocks with the same name can be compared. A start of the
    machine or, where the system has no name for it, this process."""
    known = since_boot()
    return known[0] if known is not None else _THIS_PROCESS


def _counts_sleep() -> int | None:
    return time.CLOCK_MONOTONIC if sys.platform == "darwin" else getattr(time, "CLOCK_BOOTTIME", None)
