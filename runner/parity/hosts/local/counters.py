"""What the kernel counts of the processes of a tree: CPU time by mode, context switches, page faults, threads, reads.

Linux tells it in /proc (proc_pid_stat(5), proc_pid_status(5), proc_pid_io(5)); elsewhere psutil tells a part. What a
system does not count is None, and `absent` says why. Nothing here raises.
"""

import os
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import psutil

from parity.transcript import Counters, ThreadsSeen

PROC = "/proc"
MOST_THREADS = 32
"""Of a tree: reading what the kernel counts of a thread takes about 20 µs, and all of them stay below a ms."""

MOST_NAMES = 32
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_READ_BYTES = 8192

_NO_SWITCHES = "this system does not count voluntary and involuntary context switches of a process that runs"
_NO_FAULTS = "this system does not tell the page faults of a process that runs"
_NO_READS = "this system does not tell how much a process has read"
_NOT_TOLD = "the system does not tell this user how much one of its processes has read"
_TOO_MANY = f"its processes had more than {MOST_THREADS} threads, and parity does not look at so many"
_ENDED = "the process ended before parity could look at it"


@dataclass(frozen=True, slots=True)
class Counted:
    """What is known of one process. `voluntary` and `involuntary` are counted thread by thread, in `Tally`."""

    user_s: float
    system_s: float
    threads: int
    minor_faults: int | None = None
    major_faults: int | None = None
    asked_bytes: int | None = None
    read_bytes: int | None = None
    has_ended: bool = False
    """It has exited and waits to be reaped, or is about to."""


class Tally:
    """The sum over all processes that were ever looked at. What a process or a thread did after it was last looked at
    is missing."""

    def __init__(self) -> None:
        self._processes: dict[tuple[int, float], Counted] = {}
        self._switches: dict[tuple[int, int], tuple[str, int, int]] = {}
        self._gone: dict[str, tuple[int, int]] = {}
        self._most: Counter[str] = Counter()
        self._most_threads = 0
        self._asked_bytes = self._read_bytes = 0
        self._absent: dict[str, str] = {}
        self.counters: Counters | None = None
        """As last summed up."""

    def look(self, processes: Mapping[int, psutil.Process]) -> Counters | None:
        """Looks at the processes that live, and sums up; None where none of them lives."""
        living: dict[int, Counted] = {}
        for pid, process in processes.items():
            with suppress(psutil.Error, OSError):
                found, key = _count(process), (pid, process.create_time())
                before = self._processes.get(key)
                if found.has_ended and found.read_bytes is None and before is not None:
                    found = replace(found, asked_bytes=before.asked_bytes, read_bytes=before.read_bytes)
                self._processes[key] = living[pid] = found
        if not living:
            return None
        threads = sum(found.threads for found in living.values())
        self._most_threads = max(self._most_threads, threads)
        if threads > MOST_THREADS:
            self._is_absent(_TOO_MANY if _has_proc() else _NO_SWITCHES, "voluntary", "involuntary")
        for pid in living:
            with suppress(OSError):
                self._look_at_threads(pid)
        self.counters = self._sum(list(living.values()))
        return self.counters

    def cpu_s(self, pids: set[int] | None = None) -> float:
        """CPU time of all, or of the processes of these ids, as last looked at."""
        return sum(c.user_s + c.system_s for (pid, _), c in self._processes.items() if pids is None or pid in pids)

    @property
    def absent(self) -> dict[str, str]:
        """Name of a counter that is not known → why."""
        return dict(self._absent) if self._processes else dict.fromkeys(Counters.model_fields, _ENDED)

    @property
    def threads(self) -> tuple[ThreadsSeen, ...]:
        """The threads by name, those that gave up their core most often first."""
        counts = dict(self._gone)
        for name, voluntary, involuntary in self._switches.values():
            before = counts.get(name, (0, 0))
            counts[name] = before[0] + voluntary, before[1] + involuntary
        seen = [
            ThreadsSeen(name=name, most=most, voluntary=voluntary, involuntary=involuntary)
            for name, most in self._most.items()
            for voluntary, involuntary in (counts.get(name, (0, 0)),)
        ]
        return tuple(sorted(seen, key=lambda found: -found.voluntary)[:MOST_NAMES])

    def _look_at_threads(self, pid: int) -> None:
        if "voluntary" in self._absent or not _has_proc():
            self._is_absent(_NO_SWITCHES, "voluntary", "involuntary")
            return
        names: Counter[str] = Counter()
        for thread in os.listdir(f"{PROC}/{pid}/task"):  # noqa: PTH208 - a path for each name takes longer
            with suppress(OSError, ValueError):
                name, voluntary, involuntary = _switches(_read(f"{PROC}/{pid}/task/{thread}/status"))
                key, now = (pid, int(thread)), (name, voluntary, involuntary)
                before = self._switches.get(key, now)
                if before[1] > voluntary:
                    # The number belongs to another thread by now.
                    gone = self._gone.get(before[0], (0, 0))
                    self._gone[before[0]] = gone[0] + before[1], gone[1] + before[2]
                self._switches[key] = now
                names[name] += 1
        self._most |= names

    def _is_absent(self, why: str, *counters: str) -> None:
        for counter in counters:
            self._absent.setdefault(counter, why)

    def _sum(self, living: list[Counted]) -> Counters:
        everyone = self._processes.values()
        minor = [c.minor_faults for c in everyone if c.minor_faults is not None]
        major = [c.major_faults for c in everyone if c.major_faults is not None]
        if len(minor) < len(everyone):
            self._is_absent(_NO_FAULTS, "minor_faults", "major_faults")
        # The kernel adds what a child has read to its parent's, once the parent has waited for it.
        asked = [c.asked_bytes for c in living if c.asked_bytes is not None]
        read = [c.read_bytes for c in living if c.read_bytes is not None]
        if not read or any(c.read_bytes is None and not c.has_ended for c in living):
            self._is_absent(_NOT_TOLD if _has_proc() else _NO_READS, "asked_bytes", "read_bytes")
        self._asked_bytes, self._read_bytes = max(self._asked_bytes, sum(asked)), max(self._read_bytes, sum(read))
        switches = (*((v, i) for _, v, i in self._switches.values()), *self._gone.values())
        found: dict[str, float | int] = {
            "user_s": round(sum(c.user_s for c in everyone), 3),
            "system_s": round(sum(c.system_s for c in everyone), 3),
            "threads": self._most_threads,
            "minor_faults": sum(minor),
            "major_faults": sum(major),
            "voluntary": sum(voluntary for voluntary, _ in switches),
            "involuntary": sum(involuntary for _, involuntary in switches),
            "asked_bytes": self._asked_bytes,
            "read_bytes": self._read_bytes,
        }
        return Counters.model_validate({name: value for name, value in found.items() if name not in self._absent})


def _has_proc() -> bool:
    return sys.platform == "linux" and os.path.exists(f"{PROC}/self/stat")  # noqa: PTH110 - asked at each look


def _count(process: psutil.Process) -> Counted:
    """Raises psutil.Error or OSError where the process is gone."""
    if not _has_proc():
        with process.oneshot():
            times, memory = process.cpu_times(), process.memory_info()
            faults, pageins = getattr(memory, "pfaults", None), getattr(memory, "pageins", None)
            minor = None if faults is None or pageins is None else max(0, faults - pageins)
            return Counted(times.user, times.system, process.num_threads(), minor, pageins)
    # The name stands in brackets and may hold any character, so that fields are counted from its end.
    fields = _read(f"{PROC}/{process.pid}/stat").rpartition(b")")[2].split()
    asked, read = _reads(process.pid)
    return Counted(
        user_s=int(fields[11]) / _TICKS_PER_S,
        system_s=int(fields[12]) / _TICKS_PER_S,
        threads=int(fields[17]),
        minor_faults=int(fields[7]),
        major_faults=int(fields[9]),
        asked_bytes=asked,
        read_bytes=read,
        has_ended=read is None and _has_ended(process.pid),
    )


def _has_ended(pid: int) -> bool:
    """Whether a process has no memory any more: from then on only root may see what it has read. Raises OSError."""
    return _read(f"{PROC}/{pid}/stat").rpartition(b")")[2].split()[20] == b"0"


def _reads(pid: int) -> tuple[int | None, int | None]:
    """What its calls of read(2) returned in all, and what was fetched from a disk for it."""
    with suppress(OSError, ValueError, KeyError):
        lines = dict(line.split(b": ", 1) for line in _read(f"{PROC}/{pid}/io").splitlines())
        return int(lines[b"rchar"]), int(lines[b"read_bytes"])
    return None, None


def _switches(status: bytes) -> tuple[str, int, int]:
    """Name of a thread, and how often it gave up its core to wait and was taken off it. Raises ValueError."""
    name = status.partition(b"\n")[0].partition(b"\t")[2].decode("utf-8", "replace")
    rest, _, involuntary = status.rpartition(b"\nnonvoluntary_ctxt_switches:\t")
    return name, int(rest.rpartition(b"\nvoluntary_ctxt_switches:\t")[2]), int(involuntary)


def _read(path: str) -> bytes:
    """A file of /proc as the kernel writes it at one instant."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, _READ_BYTES)
    finally:
        os.close(descriptor)


def whole_trial(tally: Tally, reaped: Counters | None) -> tuple[Counters | None, dict[str, str]]:
    """The counters of a whole trial, each as high as it is known: by the last look at the tree, or by what the kernel
    says of a process that was waited for; and why samples lack some."""
    absent = tally.absent
    if tally.counters is None and reaped is None:
        return None, absent
    known = [found.model_dump(exclude_none=True) for found in (tally.counters, reaped) if found is not None]
    names = {name for found in known for name in found}
    return Counters.model_validate({name: max(f[name] for f in known if name in f) for name in names}), absent
