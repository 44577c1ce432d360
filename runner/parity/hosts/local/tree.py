"""A process and all its descendants: finding them, measuring them, signalling them.

A descendant is known by its session, by its parent, or, where it has left both, by a variable in its
environment.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from parity.hosts import nvml
from parity.hosts.local.environment import TREE_VARIABLE


@dataclass(frozen=True)
class Usage:
    """Memory of those that live now; highest memory known so far; CPU time of all that were ever seen; memory on
    discrete GPUs in bytes, or why it is not known."""

    rss_bytes: int
    peak_rss_bytes: int
    cpu_s: float
    vram: int | str = "not asked for"


class Tree:
    """The descendants of `leader`, which must lead its session and must not be reaped while this is in use.

    `before` are the processes that were there before it was started. A look costs one listing of the process
    table and a few system calls for each process that is new in it, so it can be taken while the child is timed.
    """

    def __init__(self, leader: int, tag: str, before: set[int]) -> None:
        self._leader = leader
        self._tag = tag
        self._before = before
        self._strangers: set[int] = set()
        self._members: dict[int, psutil.Process] = {}
        self._sessions = {leader}
        self._cpu_s: dict[tuple[int, float], float] = {}
        self._peak_rss_bytes = 0
        with suppress(psutil.Error):
            self._members[leader] = psutil.Process(leader)

    def measure(self) -> Usage | None:
        """What the tree uses; None once nothing of it can be seen."""
        self._look()
        rss_bytes = 0
        for process in self._members.values():
            with suppress(psutil.Error), process.oneshot():
                times = process.cpu_times()
                self._cpu_s[process.pid, process.create_time()] = times.user + times.system
                rss_bytes += process.memory_info().rss
        if not rss_bytes:
            return None
        self._peak_rss_bytes = max(self._peak_rss_bytes, rss_bytes, _high_water_bytes(self._leader))
        vram = nvml.memory_bytes(self._members.keys())
        return Usage(rss_bytes, self._peak_rss_bytes, sum(self._cpu_s.values()), vram)

    def living(self) -> list[psutil.Process]:
        """The descendants, without the leader, that are alive."""
        self._look(thorough=True)
        return [process for pid, process in self._members.items() if pid != self._leader and _alive(process)]

    def cpu_s_of(self, processes: list[psutil.Process]) -> float:
        """CPU time of these, as last measured."""
        return sum(cpu_s for (pid, _), cpu_s in self._cpu_s.items() if any(pid == process.pid for process in processes))

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the group, and to the descendants that have left it."""
        stragglers = [process for process in self.living() if _group(process.pid) != self._leader]
        with suppress(ProcessLookupError, PermissionError):  # macOS: EPERM where only zombies are left
            os.killpg(self._leader, number)
        for process in stragglers:
            with suppress(psutil.Error):
                process.send_signal(number)

    def kill(self, within_s: float) -> None:
        """Kills until no descendant lives (one may fork while it is looked for), or the time is over."""
        give_up = time.monotonic() + within_s
        self.signal(signal.SIGKILL)
        while self.living() and time.monotonic() < give_up:
            time.sleep(0.005)
            self.signal(signal.SIGKILL)
        self._reap_adopted()

    def _look(self, *, thorough: bool = False) -> None:
        present = set(psutil.pids())
        self._before &= present
        self._strangers &= present
        for pid in [pid for pid, process in self._members.items() if pid not in present or not process.is_running()]:
            del self._members[pid]
        for pid in self._members:
            self._sessions.update(_session(pid))
        unknown = present - self._before - self._members.keys()
        if not thorough:
            unknown -= self._strangers
        while joined := [pid for pid in sorted(unknown) if self._belongs(pid, thorough=thorough)]:
            unknown.difference_update(joined)
            for pid in joined:
                with suppress(psutil.Error):
                    self._members[pid] = psutil.Process(pid)
                    self._sessions.update(_session(pid))
        self._strangers |= unknown

    def _belongs(self, pid: int, *, thorough: bool) -> bool:
        if not self._sessions.isdisjoint(_session(pid)):
            return True
        try:
            process = psutil.Process(pid)
            return process.ppid() in self._members or (thorough and process.environ().get(TREE_VARIABLE) == self._tag)
        except (psutil.Error, OSError):
            return False

    def _reap_adopted(self) -> None:
        """Orphans come to us where we are the first process of a container."""
        for pid in self._members.keys() - {self._leader}:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def _session(pid: int) -> Iterator[int]:
    with suppress(OSError):
        yield os.getsid(pid)


def _group(pid: int) -> int | None:
    with suppress(OSError):
        return os.getpgid(pid)
    return None


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _high_water_bytes(pid: int) -> int:
    """Linux keeps the highest resident size of a program since its exec; 0 elsewhere, and after its exit."""
    if sys.platform == "linux":
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    return 0
