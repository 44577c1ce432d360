"""A control group of one process tree's own, where this machine lets us make one: Linux, mostly as root.

No process gets out of a group by what it does with its parents, its session or its environment, so that all of it can
be ended at once, and the kernel itself counts what it uses and holds it to a limit of memory. Version 2 is described in
Documentation/admin-guide/cgroup-v2.rst, version 1 in Documentation/admin-guide/cgroup-v1/.
"""

import os
import signal
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from parity.cgroups import V2, parents
from parity.transcript import GroupUsage

REMOVE_S = 1.0


class Group:
    """Folders of one group, one for each hierarchy. Nothing here raises: what can't be done is done without it."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = dict(folders)
        self.limited = False
        """Whether the kernel holds it to a limit of memory."""

    @classmethod
    def make(cls, name: str, most_memory_bytes: int | None = None) -> Self:
        """A group below our own, in each hierarchy that lets us. In version 1, that of memory takes the kernel 10 ms
        and more to put a process into, so that it is used for a limit alone."""
        group = cls({})
        for controller, parent in parents().items():
            if controller == "memory" and most_memory_bytes is None:
                continue
            folder = parent / f"parity-{name}"
            with suppress(OSError):
                folder.mkdir()
                group._folders[controller] = folder
        if most_memory_bytes is not None:
            group.limited = group._limit(most_memory_bytes)
        return group

    @property
    def folders(self) -> dict[str, str]:
        """Hierarchy → folder."""
        return {controller: str(folder) for controller, folder in self._folders.items()}

    def add(self, pid: int) -> None:
        """Puts a process into it. What it starts from then on is in it too."""
        for controller, folder in list(self._folders.items()):
            if not _write(folder / "cgroup.procs", str(pid)):
                self.limited = self.limited and controller not in ("memory", V2)
                _remove(folder)
                del self._folders[controller]

    def members(self) -> set[int]:
        """The processes in it, zombies left out."""
        found: set[int] = set()
        for folder in self._folders.values():
            with suppress(OSError, ValueError):
                found |= set(map(int, (folder / "cgroup.procs").read_text().split()))
        return {pid for pid in found if _lives(pid)}

    @property
    def exists(self) -> bool:
        """Whether this machine let us make one."""
        return bool(self._folders)

    @property
    def counts_memory(self) -> bool:
        """Whether the kernel counts its memory, and its processes that it kills for want of it."""
        return "memory" in self._folders or (self._folders.get(V2, Path("/nowhere")) / "memory.events").exists()

    def usage(self) -> GroupUsage:
        """What it has used so far."""
        v2, cpu, memory = (self._folders.get(name) for name in (V2, "cpuacct", "memory"))
        usage_us = _named(v2, "cpu.stat").get("usage_usec")
        usage_ns = _number(cpu, "cpuacct.usage")
        stalls = {name: _pressure_s(v2, name) for name in ("cpu", "io", "memory")}
        peak = _number(v2, "memory.peak")
        return GroupUsage(
            cpu_s=usage_us / 1e6 if usage_us is not None else usage_ns / 1e9 if usage_ns is not None else None,
            memory_peak_bytes=peak if peak is not None else _number(memory, "memory.max_usage_in_bytes"),
            oom_kills=self.oom_kills(),
            pressure_s={name: seconds for name, seconds in stalls.items() if seconds is not None},
            limited=self.limited,
        )

    def oom_kills(self) -> int:
        """How many of its processes the kernel has killed for want of memory, by its limit or that of the machine."""
        v2, memory = self._folders.get(V2), self._folders.get("memory")
        return max(
            _named(v2, "memory.events").get("oom_kill", 0), _named(memory, "memory.oom_control").get("oom_kill", 0)
        )

    def kill(self) -> None:
        """Kills all that is in it, at once where the kernel can."""
        v2 = self._folders.get(V2)
        if v2 is not None and _write(v2 / "cgroup.kill", "1"):
            return
        for pid in self.members():
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        """Removes its folders, once what was in it has been reaped."""
        give_up = time.monotonic() + REMOVE_S
        left: Iterable[Path] = self._folders.values()
        while left := [folder for folder in left if not _remove(folder)]:
            if time.monotonic() > give_up:
                return
            time.sleep(0.005)

    def _limit(self, most_bytes: int) -> bool:
        v2, memory = self._folders.get(V2), self._folders.get("memory")
        if v2 is not None and _write(v2 / "memory.max", str(most_bytes)):
            _write(v2 / "memory.swap.max", "0")
            # A part of a program without the rest of it is of no use.
            _write(v2 / "memory.oom.group", "1")
            return True
        if memory is not None and _write(memory / "memory.limit_in_bytes", str(most_bytes)):
            _write(memory / "memory.memsw.limit_in_bytes", str(most_bytes))
            return True
        return False


def _write(path: Path, text: str) -> bool:
    try:
        # Of a file that isn't there, the kernel makes none, and a test's folder must not either.
        fd = os.open(path, os.O_WRONLY)
    except OSError:
        return False
    try:
        os.write(fd, text.encode("ascii"))
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _number(folder: Path | None, name: str) -> int | None:
    try:
        return None if folder is None else int((folder / name).read_text())
    except (OSError, ValueError):
        return None


def _named(folder: Path | None, name: str) -> dict[str, int]:
    """Lines `NAME NUMBER` of a file."""
    found = {}
    with suppress(OSError, ValueError):
        for line in (folder / name).read_text().splitlines() if folder is not None else ():
            key, number = line.split()
            found[key] = int(number)
    return found


def _pressure_s(folder: Path | None, name: str) -> float | None:
    """Of `some avg10=… total=MICROSECONDS` (Documentation/accounting/psi.rst)."""
    try:
        line = (folder / f"{name}.pressure").read_text().splitlines()[0] if folder is not None else ""
        return int(line.rpartition("total=")[2]) / 1e6
    except (OSError, ValueError, IndexError):
        return None


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] not in ("Z", "X")
    except (OSError, IndexError):
        return False


def _remove(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
