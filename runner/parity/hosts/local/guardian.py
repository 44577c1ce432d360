"""A small process beside parity that outlives it by moments: it ends what parity had started when parity is killed.

It holds the end of a pipe that parity writes to. When parity is gone for whatever reason, the pipe ends, and then it
kills the process tree that parity told it of last. It is in a session of its own and ignores what a terminal sends.
Where somebody kills it, parity starts it again: at once where the system tells of its end, otherwise at its next look
at the tree.

It stands in for a parent-death signal (prctl(2), PR_SET_PDEATHSIG), which a program can only set for itself: that takes
code between fork and exec, which deadlocks in a process with threads, or one more program that starts the one which is
measured. Such a signal would end the first process of a tree alone. `parity_worker` sets it for itself.
"""

import atexit
import json
import os
import select
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil

import parity

_PROGRAM = Path(__file__).with_name("guarding.py")
_LIBRARIES = tuple(str(Path(module.__file__ or "").parents[1]) for module in (parity, psutil))
_END_S = 2.0
_READS_S = 0.3
"""How long it may take to read what it is told: with thousands of processes a line is longer than a pipe holds."""


class Guardian:
    """The guardian of this process. It is started when it is first needed, and again where somebody killed it.

    What it is told can be lost with it, and then it costs protection, never a trial: nothing here raises."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self.end_fd: int | None = None
        """Becomes readable when it ends; None where the system has nothing of the kind."""

    def ready(self) -> None:
        """Starts it unless it runs."""
        with self._lock, suppress(OSError):
            if self._process is not None and self._process.poll() is None:
                return
            # Closed last, so that no other descriptor gets its number meanwhile.
            with ExitStack() as last:
                if self.end_fd is not None:
                    last.callback(os.close, self.end_fd)
                    self.end_fd = None
                self._close()
                self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_PROGRAM), *_LIBRARIES],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
            bufsize=0,
        )
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        self.end_fd = _end_of(self._process.pid)

    def tell(self, **what: object) -> None:
        """What to end: `Tree.known`, and `folders` to remove. Nothing where no tree is left."""
        line = json.dumps(what).encode("ascii") + b"\n"
        with self._lock, suppress(OSError):
            if self._process is None or self._process.stdin is None:
                return
            if not _written(self._process.stdin.fileno(), line):
                # It doesn't read, so it is stopped or worse: half a line must not meet the next one, and what it was
                # told earlier must not outlive the tree that it was told of.
                self._process.kill()

    def lost(self) -> bool:
        """Whether it is gone, so that nobody knows what to end."""
        with self._lock:
            return self._process is None or self._process.poll() is not None

    @property
    def pid(self) -> int | None:
        """Its process id; None where it wasn't started."""
        return self._process.pid if self._process is not None else None

    def close(self) -> None:
        """Lets it end."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        self._process = None
        if self.end_fd is not None:
            os.close(self.end_fd)
            self.end_fd = None


def _end_of(pid: int) -> int | None:
    """A descriptor that becomes readable when a process ends (pidfd_open(2)); None elsewhere than on Linux."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            return os.pidfd_open(pid)
    return None


def _written(fd: int, data: bytes) -> bool:
    """Whether all of it could be written to a pipe in time."""
    give_up = time.monotonic() + _READS_S
    ready = select.poll()
    ready.register(fd, select.POLLOUT)
    while True:
        with suppress(BlockingIOError):
            data = data[os.write(fd, data) :]
        if not data:
            return True
        if not ready.poll(max(0.0, 1000 * (give_up - time.monotonic()))):
            return False


GUARDIAN = Guardian()
atexit.register(GUARDIAN.close)
