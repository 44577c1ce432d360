"""Which process listens on a port of this machine, which Linux alone tells. Imports the standard library alone."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

LISTENS = "0A"
"""The state of a socket in /proc/net/tcp, as proc(5) has it."""

PROC = Path("/proc")


def foreign_listener(port: int, mark: str, expected: int) -> str | None:
    """A process that listens on the port and is none of the server's, as `PID (name)`. None where there is none, and
    where the system does not tell who listens. `expected`: the process that mostly does, so that no other one is looked
    at. What it started is in its session or its process group, or descends from it, or has `mark`, a line `NAME=VALUE`,
    in its environment: a process may leave each of these, and may write its title over its environment."""
    sockets = set(_sockets(port))
    if not sockets or sockets & set(_open_sockets(expected)):
        return None
    owners = [pid for pid in _processes() if sockets & set(_open_sockets(pid))]
    if not owners or any(_has(pid, mark) or expected in _relatives(pid) for pid in owners):
        return None
    return f"{owners[0]} ({_name(owners[0])})"


def _sockets(port: int) -> Iterator[str]:
    """The inodes of the sockets that listen on a port, of any address."""
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (PROC / "net" / table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]


def _processes() -> Iterator[int]:
    with contextlib.suppress(OSError):
        yield from (int(folder.name) for folder in PROC.iterdir() if folder.name.isdecimal())


def _open_sockets(pid: int) -> Iterator[str]:
    """None of a process whose files this user must not see, or that is gone."""
    with contextlib.suppress(OSError):
        for file in (PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                if found := re.fullmatch(r"socket:\[([0-9]+)\]", str(file.readlink())):
                    yield found[1]


def _has(pid: int, mark: str) -> bool:
    with contextlib.suppress(OSError):
        return mark.encode() in (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    return True


def _relatives(pid: int) -> set[int]:
    """A process and its ancestors, and the leaders of their process groups and sessions."""
    ancestors: set[int] = set()
    leaders: set[int] = set()
    while pid > 0 and pid not in ancestors:
        ancestors.add(pid)
        pid, *more = _parent_group_session(pid)
        leaders.update(more)
    return ancestors | leaders


def _parent_group_session(pid: int) -> tuple[int, ...]:
    with contextlib.suppress(OSError):
        stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        # The name before may hold spaces and brackets.
        return tuple(map(int, stat.rpartition(")")[2].split()[1:4]))
    return (0,)


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return (PROC / str(pid) / "comm").read_text(encoding="utf-8", errors="replace").strip()
    return "unknown"
