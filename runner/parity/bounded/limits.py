"""The limits that a child sets for itself. Imports the standard library alone, so that a child starts quickly."""

import contextlib
import math
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1


def limit(cpu_s: float, memory_bytes: int) -> None:
    """From now on the process may use so many seconds of CPU time, and so many bytes of address space in all.

    macOS does not enforce the second limit; the first one ends what fills the memory there."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime + cpu_s))
    _lower(resource.RLIMIT_AS, memory_bytes)
    _lower(resource.RLIMIT_CORE, 0)


def die_with_parent() -> None:
    """Has the kernel kill this process when parity is gone. Linux alone can: elsewhere its closed input ends it."""
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
