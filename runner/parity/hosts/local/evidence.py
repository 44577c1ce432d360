"""What a hanging process tree is at, looked at before it is ended: threads and what they wait for, open files, stacks.

Linux tells it in /proc (proc_pid_stat(5)); elsewhere psutil tells a part. Nothing here raises or waits for long.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from parity.transcript import Hang, SeenProcess, SeenThread

MOST_PROCESSES = 16
MOST_THREADS = 64
MOST_FILES = 40
MOST_STACK_LINES = 200
MOST_LINE_CHARS = 300

PATIENCE_S = 2.0
"""What all else may take of which a process that hangs is asked."""

STACKS_S = 1.0
"""What a tool that prints native stacks may take: the process is to end meanwhile."""

_STATES = {
    "R": "running",
    "S": "sleeping",
    "D": "waiting in the kernel, uninterruptible",
    "T": "stopped by a signal",
    "t": "stopped by a debugger",
    "Z": "ended, not reaped",
    "I": "idle",
}
_TICKS = os.sysconf("SC_CLK_TCK")

Mask = Callable[[str], str]


def evidence_in_time(processes: Sequence[psutil.Process], mask: Mask) -> Hang | None:
    """What these processes are at now. None where the system doesn't tell in time: a process that hangs in a driver may
    keep whoever asks for its command line waiting for good."""
    found: list[Hang] = []

    def look() -> None:
        found.append(evidence(processes, mask))

    thread = threading.Thread(target=look, name="evidence", daemon=True)
    thread.start()
    thread.join(STACKS_S + PATIENCE_S)
    return found[0] if found else None


def evidence(processes: Sequence[psutil.Process], mask: Mask) -> Hang:
    """What these processes are at now, the one with the most memory with its stacks. `mask` replaces what may not be
    written down."""
    t_ns = time.monotonic_ns()
    seen = [_seen(process, mask) for process in processes[:MOST_PROCESSES]]
    stacks, absent = _stacks(max(processes, key=_memory_bytes, default=None))
    return Hang(
        t_ns=t_ns,
        processes=tuple(seen),
        left_out=max(0, len(processes) - MOST_PROCESSES),
        stacks=tuple(mask(line)[:MOST_LINE_CHARS] for line in stacks[:MOST_STACK_LINES]),
        stacks_absent=None if absent is None else mask(absent),
    )


def _seen(process: psutil.Process, mask: Mask) -> SeenProcess:
    command, threads = "", tuple[SeenThread, ...]()
    with suppress(psutil.Error, OSError):
        command = mask(_shown(" ".join(process.cmdline()) or process.name()))[:MOST_LINE_CHARS]
    with suppress(psutil.Error, OSError):
        threads = tuple(_threads(process))
    files = tuple(mask(file)[:MOST_LINE_CHARS] for file in _files(process)[:MOST_FILES])
    return SeenProcess(pid=process.pid, command=command, threads=threads, files=files)


def _shown(text: str) -> str:
    """A name that is no UTF-8, as far as it can be shown."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _threads(process: psutil.Process) -> list[SeenThread]:
    if sys.platform != "linux":
        times = process.cpu_times()
        return [SeenThread(name=_shown(process.name()), state=process.status(), cpu_s=times.user + times.system)]
    found = []
    for folder in sorted(Path(f"/proc/{process.pid}/task").iterdir(), key=lambda path: int(path.name)):
        with suppress(OSError, ValueError, IndexError):
            # The name stands in brackets and may hold any character, so that fields are counted from its end.
            name, _, rest = (folder / "stat").read_text(errors="replace").rpartition(")")
            fields = rest.split()
            found.append(
                SeenThread(
                    name=name.partition("(")[2],
                    state=_STATES.get(fields[0], fields[0]),
                    waits_in=_wait_channel(folder),
                    cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS,
                )
            )
        if len(found) == MOST_THREADS:
            break
    return found


def _wait_channel(folder: Path) -> str | None:
    """The function of the kernel in which a thread sleeps; None where it runs, or the system doesn't tell."""
    with suppress(OSError):
        name = (folder / "wchan").read_text(errors="replace").strip()
        return None if name in ("", "0") else name
    return None


def _files(process: psutil.Process) -> list[str]:
    """What its descriptors lead to, each with its number."""
    if sys.platform != "linux":
        with suppress(psutil.Error, OSError):
            return [_shown(f"{file.fd} → {file.path}") for file in process.open_files()]
        return []
    found = []
    with suppress(OSError):
        for path in sorted(Path(f"/proc/{process.pid}/fd").iterdir(), key=lambda path: int(path.name)):
            with suppress(OSError):
                found.append(_shown(f"{path.name} → {path.readlink()}"))
    return found


def _tools(pid: int) -> list[list[str]]:
    """Programs that print the stacks of a process, the best one first. Values of arguments are left out: they may be
    anybody's secrets."""
    gdb = ["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-iex", "set print frame-arguments none"]
    return [
        ["py-spy", "dump", "--native", "--pid", str(pid)],
        ["eu-stack", "--pid", str(pid)],
        [*gdb, "-p", str(pid), "-ex", "thread apply all bt 24"],
        ["sample", str(pid), "1", "-mayDie"],
    ]


def _stacks(process: psutil.Process | None) -> tuple[list[str], str | None]:
    """Native stacks of a process, or why there are none. All tools together have STACKS_S."""
    if process is None:
        return [], "no process was left to look at"
    give_up, why = time.monotonic() + STACKS_S, []
    tools = [tool for tool in _tools(process.pid) if shutil.which(tool[0])]
    for tool in tools:
        try:
            done = subprocess.run(
                tool,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=max(0.1, give_up - time.monotonic()),
                check=False,
                # What it leaves behind where it is killed comes to us as an orphan, and is ended with the tree.
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            why.append(f"{tool[0]} took longer than {STACKS_S:g} s")
            # The tool may have stopped it, and was killed before it let it go on.
            with suppress(OSError):
                os.kill(process.pid, signal.SIGCONT)
            break
        except OSError as error:
            why.append(f"{tool[0]}: {error.strerror}")
            continue
        lines = done.stdout.decode("utf-8", "replace").splitlines()
        if done.returncode == 0 and len(lines) > 1:
            return [line for line in lines if line.strip()], None
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        why.append(f"{tool[0]}: {said[-1] if said else f'exit status {done.returncode}'}")
    if not tools:
        why.append("none of the programs py-spy, eu-stack, gdb and sample is there")
    return [], "; ".join(why)


def _memory_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
