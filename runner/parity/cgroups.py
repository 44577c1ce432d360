"""The control groups that this process is in, and what they allow it: Linux only.

Version 2 is described in Documentation/admin-guide/cgroup-v2.rst, version 1 in Documentation/admin-guide/cgroup-v1/.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil

MEMBERSHIP = Path("/proc/self/cgroup")
MOUNTS = Path("/proc/self/mountinfo")
V2 = ""
"""The name of the one hierarchy of version 2; those of version 1 have the names of their controllers."""


def usable_memory_bytes() -> int:
    """Bytes of memory that this process and its children may use in all: those of the machine, or the limit of a
    container that they are in, whichever is less."""
    return min((psutil.virtual_memory().total, *(limit for limit, _ in _memory_limits())))


def free_memory_bytes() -> int:
    """How many of them are free now; files that the kernel keeps in memory for nothing better to do count as free."""
    return min((psutil.virtual_memory().available, *(max(0, limit - used) for limit, used in _memory_limits())))


def parents() -> dict[str, Path]:
    """Hierarchy → the folder of the group that we are in ourselves, of those hierarchies that are of use here."""
    return {controller: own for controller, (_, own) in _groups().items()}


def _groups() -> dict[str, tuple[Path, Path]]:
    """Hierarchy → where it is mounted, and the folder of our own group in it."""
    try:
        own = dict(_own_groups(MEMBERSHIP.read_text()))
        mounts = MOUNTS.read_text()
    except (OSError, ValueError):
        return {}
    found = {}
    for controllers, root, point in _mounts(mounts):
        for controller in controllers & {"memory", "cpuacct", V2} & own.keys():
            # What was moved out of its namespace is in `/..`, which no mount shows (cgroup_namespaces(7)).
            within = ".." if ".." in own[controller].split("/") else os.path.relpath(own[controller], root)
            if not within.startswith(".."):
                found[controller] = Path(point), Path(os.path.normpath(Path(point) / within))
    return found


def _own_groups(text: str) -> Iterable[tuple[str, str]]:
    """Controller → path in its hierarchy, of lines `NUMBER:CONTROLLERS:PATH` (proc_pid_cgroup(5))."""
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path


def _mounts(text: str) -> Iterable[tuple[set[str], str, str]]:
    """Controllers, root and mount point of each hierarchy (proc_pid_mountinfo(5))."""
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        kind, options = after.split()[0], after.split()[-1]
        if kind in ("cgroup", "cgroup2"):
            root, point = map(_unescaped, before.split()[3:5])
            yield ({V2} if kind == "cgroup2" else set(options.split(","))), root, point


def _unescaped(path: str) -> str:
    r"""Of a path in mountinfo, in which a blank is written as `\040`, and three other characters in the same way."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), path)


def _memory_limits() -> Iterator[tuple[int, int]]:
    """Limit and use of memory, of our own group and of each that it lies in, where there is a limit. A container sees
    none above its own."""
    for controller, names in _MEMORY_FILES.items():
        point, own = _groups().get(controller, (None, None))
        folder = own
        while folder is not None and point is not None:
            limit, used = (_number(folder / name) for name in names)
            if limit is not None:
                yield limit, max(0, (used or 0) - _reclaimable(folder))
            folder = folder.parent if folder != point else None


_MEMORY_FILES = {
    V2: ("memory.max", "memory.current"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes"),
}
"""Hierarchy → names of the files that hold limit and use. Without a limit, version 2 says `max`, and version 1 a number
that is larger than any memory."""


def _reclaimable(folder: Path) -> int:
    """Bytes of files in memory that the kernel drops where there is need of it. In version 1, `total_…` counts the
    groups below too, as version 2 always does."""
    with suppress(OSError, ValueError):
        counted = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return int(counted.get("total_inactive_file", counted.get("inactive_file", 0)))
    return 0


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
