"""A process and all its descendants: finding them, measuring them, signalling them.

A descendant is known by its session or by its parent. Where it has left both, it comes to us as an orphan on Linux, and
elsewhere it is known by a variable in its environment.
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from parity.hosts import nvml
from parity.hosts.local.adoption import end_adopted, is_adopted
from parity.hosts.local.counters import Tally
from parity.hosts.local.environment import TREE_VARIABLE
from parity.hosts.local.group import Group
from parity.transcript import Counters

_SAME_BIRTH_S = 0.005 if sys.platform == "linux" else 2.0
"""Linux counts the start of a process from its own. Elsewhere it follows the wall clock, which may be set meanwhile."""


@dataclass(frozen=True)
class Usage:
    """Memory of those that live now; highest memory known so far; CPU time and counters of all that were ever seen;
    memory on discrete GPUs in bytes, or why it is not known."""

    rss_bytes: int
    peak_rss_bytes: int
    cpu_s: float
    counters: Counters
    vram: int | str = "not asked for"


class Tree:
    """The descendants of `leader`, which must lead its session and must not be reaped while this is in use.

    `before` are the processes that were there before it was started, `group` is the one that it is in. `changed` is
    called when a look found others, and when `untold` says that nobody knows any more what it was told. A look costs
    one listing of the process table and a few system calls for each process that is new in it, so it can be taken while
    the child is timed.
    """

    def __init__(
        self,
        leader: int,
        tag: str,
        before: set[int],
        group: Group,
        changed: Callable[[], object] = lambda: None,
        untold: Callable[[], bool] = lambda: False,
    ) -> None:
        self._leader = leader
        self._group = group
        self._changed = changed
        self._untold = untold
        self._tag = tag
        self._before = before
        self._strangers: set[int] = set()
        self._members: dict[int, psutil.Process] = {}
        self._sessions = {leader}
        self._empty_sessions: set[int] = set()
        self.tally = Tally()
        self._peak_rss_bytes = 0
        with suppress(psutil.Error):
            self._members[leader] = psutil.Process(leader)

    def measure(self) -> Usage | None:
        """What the tree uses; None once nothing of it can be seen."""
        self._look()
        rss_bytes = 0
        for process in self._members.values():
            with suppress(psutil.Error):
                rss_bytes += process.memory_info().rss
        counters = self.tally.look(self._members)
        if not rss_bytes or counters is None:
            return None
        self._peak_rss_bytes = max(self._peak_rss_bytes, rss_bytes, _high_water_bytes(self._leader))
        vram = nvml.memory_bytes(self._members.keys())
        return Usage(rss_bytes, self._peak_rss_bytes, self.tally.cpu_s(), counters, vram)

    def living(self) -> list[psutil.Process]:
        """The descendants, without the leader, that are alive."""
        self._look(thorough=True)
        return [process for pid, process in self._members.items() if pid != self._leader and _alive(process)]

    def everyone(self) -> list[psutil.Process]:
        """The leader too, if it is alive."""
        living = self.living()
        leader = self._members.get(self._leader)
        return [leader, *living] if leader is not None and _alive(leader) else living

    def remember(self, members: Iterable[tuple[int, float]], sessions: Iterable[int]) -> None:
        """Takes what `known` told of these in a different process. A process id may belong to somebody else by now."""
        self._members.clear()
        self._sessions = set()
        for pid, born in members:
            with suppress(psutil.Error):
                process = psutil.Process(pid)
                found = _born(process)
                if found is not None and abs(found - born) < _SAME_BIRTH_S:
                    self._members[pid] = process
        for process in self._members.values():
            self._sessions.update(_session(process.pid))
        # A session whose processes are all unknown is still theirs: its number is taken as long as it has any.
        self._sessions |= set(sessions) - self._before

    def cpu_s_of(self, processes: list[psutil.Process]) -> float:
        """CPU time of these, as last measured."""
        return self.tally.cpu_s({process.pid for process in processes})

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the group, and to the descendants that have left it."""
        stragglers = [process for process in self.living() if _group(process.pid) != self._leader]
        with suppress(ProcessLookupError, PermissionError):  # macOS: EPERM where only zombies are left
            os.killpg(self._leader, number)
        for process in stragglers:
            with suppress(psutil.Error):
                process.send_signal(number)

    def kill(self, within_s: float) -> bool:
        """Kills until no descendant lives (one may fork while it is looked for), or the time is over. Whether there
        was an orphan that came to us alive."""
        give_up = time.monotonic() + within_s
        self.signal(signal.SIGKILL)
        self._group.kill()
        orphans = end_adopted(self._leader, self._before, give_up)
        while self.living() and time.monotonic() < give_up:
            time.sleep(0.005)
            self.signal(signal.SIGKILL)
            self._group.kill()
            orphans |= end_adopted(self._leader, self._before, give_up)
        self._reap_adopted()
        return orphans

    def known(self) -> dict[str, object]:
        """What `end_told` needs to find the tree from a different process."""
        members = {pid: _born(process) for pid, process in self._members.items()}
        return {
            "tag": self._tag,
            "leader": self._leader,
            "before": sorted(self._before),
            "sessions": sorted(self._sessions),
            "group": self._group.folders,
            "members": [[pid, born] for pid, born in members.items() if born is not None],
        }

    def _look(self, *, thorough: bool = False) -> None:
        self._reap_adopted()
        present = set(psutil.pids())
        known = set(self._members), set(self._sessions)
        self._before &= present
        self._strangers &= present
        for pid in [pid for pid, process in self._members.items() if pid not in present or not process.is_running()]:
            del self._members[pid]
        for pid in self._members:
            self._sessions.update(_session(pid))
        unknown = present - self._before - self._members.keys()
        if not thorough:
            unknown -= self._strangers
        inside = self._group.members() if thorough else set()
        while joined := [pid for pid in sorted(unknown) if pid in inside or self._belongs(pid, thorough=thorough)]:
            unknown.difference_update(joined)
            for pid in joined:
                with suppress(psutil.Error):
                    self._members[pid] = psutil.Process(pid)
                    self._sessions.update(_session(pid))
        self._strangers |= unknown
        self._forget_sessions()
        if (set(self._members), self._sessions) != known or self._untold():
            self._changed()

    def _forget_sessions(self) -> None:
        """A session without a process is over, and its number may become that of somebody else's. One look too few for
        a process that was started while the table was listed."""
        empty = self._sessions - {self._leader}
        for pid in self._members:
            empty.difference_update(_session(pid))
        self._sessions -= empty & self._empty_sessions
        self._empty_sessions = empty & self._sessions

    def _belongs(self, pid: int, *, thorough: bool) -> bool:
        if not self._sessions.isdisjoint(_session(pid)):
            return True
        try:
            process = psutil.Process(pid)
            parent = process.ppid()
            if parent in self._members or (parent == os.getpid() and is_adopted(pid, self._before)):
                return True
            return thorough and process.environ().get(TREE_VARIABLE) == self._tag
        except (psutil.Error, OSError):
            return False

    def _reap_adopted(self) -> None:
        """Takes note of the end of orphans that came to us: until then they stay in the table of processes."""
        for pid in self._members.keys() - {self._leader}:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def end_told(told: Mapping[str, Any], within_s: float) -> None:
    """Ends the tree that parity knew as `told` (`Tree.known`) after parity itself is gone, and removes its `folders`.
    What is left of the tree has no parent any more that would tell of it."""
    group = Group({name: Path(folder) for name, folder in told["group"].items()})
    group.kill()
    tree = Tree(told["leader"], told["tag"], set(told["before"]), group)
    give_up = time.monotonic() + within_s
    tree.remember(told["members"], told["sessions"])
    while (living := tree.everyone()) and time.monotonic() < give_up:
        for process in living:
            with suppress(psutil.Error):
                process.kill()
        group.kill()
        time.sleep(0.005)
    group.close()
    for folder in told["folders"]:
        shutil.rmtree(folder, ignore_errors=True)


def _born(process: psutil.Process) -> float | None:
    """When a process was started, in s: since the machine was on Linux, since 1970 elsewhere."""
    with suppress(psutil.Error, OSError, ValueError, IndexError):
        if sys.platform != "linux":
            return float(process.create_time())
        fields = Path(f"/proc/{process.pid}/stat").read_bytes().rpartition(b")")[2].split()
        return int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return None


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
