"""The process that was started, leader of a session and a group of its own: spawn it, see it exit, reap it."""

import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from parity.transcript import Counters

CLOSE_S = 5.0
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Reaped:
    """What the kernel says of a process that was waited for, and of those that it had waited for itself."""

    exit_code: int | None
    signal: int | None
    cpu_s: float
    peak_rss_bytes: int | None
    counters: Counters


class Leader:
    """A started process with two non-blocking pipes, and a descriptor that becomes readable when it has exited.

    Its exit is seen without reaping it, so that its process id, which is the group's too, can't be reused
    before `reap` is called. Raises OSError or ValueError where it can't be started.
    """

    def __init__(self, argv: Sequence[str], *, cwd: str | None, env: Mapping[str, str]) -> None:
        self.exited_ns: int | None = None
        self.exit_fd, told_fd = os.pipe()
        try:
            self.spawned_ns = time.monotonic_ns()
            self._popen = subprocess.Popen(
                argv,
                bufsize=0,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=cwd,
                env=env,
                start_new_session=True,
            )
        except BaseException:
            os.close(self.exit_fd)
            os.close(told_fd)
            raise
        # a child's ru_maxrss begins with the peak of the process that forked it
        self._inherited_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert self._popen.stdout is not None
        assert self._popen.stderr is not None
        self.pid = self._popen.pid
        self.streams = {"out": self._popen.stdout.fileno(), "err": self._popen.stderr.fileno()}
        for fd in self.streams.values():
            os.set_blocking(fd, False)
        self._watch = threading.Thread(
            target=self._await_exit, args=(told_fd,), name=f"exit of {self.pid}", daemon=True
        )
        self._watch.start()

    @property
    def reaped(self) -> bool:
        """Whether the process id may already belong to somebody else."""
        return self._popen.returncode is not None

    def reap(self, within_s: float) -> Reaped | None:
        """Waits for the process, which must have exited or been killed; None if it isn't gone in time."""
        give_up = time.monotonic() + within_s
        while True:
            try:
                pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else has waited for it, or SIGCHLD is ignored
                self._popen.returncode = 0
                return None
            if pid:
                break
            if time.monotonic() >= give_up:
                return None
            time.sleep(0.002)
        code = self._popen.returncode = os.waitstatus_to_exitcode(status)
        return Reaped(
            exit_code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            cpu_s=usage.ru_utime + usage.ru_stime,
            peak_rss_bytes=usage.ru_maxrss * _MAXRSS_BYTES if usage.ru_maxrss > self._inherited_peak else None,
            counters=Counters(
                user_s=round(usage.ru_utime, 3),
                system_s=round(usage.ru_stime, 3),
                voluntary=usage.ru_nvcsw,
                involuntary=usage.ru_nivcsw,
                minor_faults=usage.ru_minflt,
                major_faults=usage.ru_majflt,
            ),
        )

    def close(self) -> None:
        """Closes the pipes; kills and reaps the group first where nobody has reaped the leader."""
        if not self.reaped:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            self.reap(CLOSE_S)
        assert self._popen.stdout is not None
        assert self._popen.stderr is not None
        self._popen.stdout.close()
        self._popen.stderr.close()
        if self.reaped:
            self._watch.join()
        os.close(self.exit_fd)

    def _await_exit(self, told_fd: int) -> None:
        try:
            _block_until_exit(self.pid)
        finally:
            self.exited_ns = time.monotonic_ns()
            os.close(told_fd)


def _block_until_exit(pid: int) -> None:
    if sys.platform == "linux":
        try:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            return
    else:
        # macOS: Python has no waitid before 3.13, and the system's own may return early
        with closing(select.kqueue()) as queue:
            exit_of_pid = select.kevent(pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD, select.KQ_NOTE_EXIT)
            try:
                queue.control([exit_of_pid], 1, None)
            except ProcessLookupError:
                return


def oom_kills() -> int:
    """How many processes the kernel has killed for want of memory since boot; 0 where it doesn't say."""
    try:
        counters = Path("/proc/vmstat").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in counters.splitlines() if line.startswith("oom_kill ")), 0)
