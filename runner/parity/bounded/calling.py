"""Parity's side: starts the child, asks it, and ends it when it breaks a limit."""

import atexit
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

CPU_S = 10.0
"""CPU time of one call, unless the caller says more."""

MEMORY_BYTES = 2 * 1024**3
"""Address space of the child in a call, unless the caller says more."""

WALL_FACTOR = 10
"""Seconds that may pass for each second of CPU time, on a busy machine."""

LARGEST_ANSWER_BYTES = 256 * 1024**2
PIECE_BYTES = 1024**2

_PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH")


class LimitError(Exception):
    """The call took too long or too much memory, or ended the child. `str(error)` says which, as in `it took more than
    10 s`; `at` is what the function said last that it was at."""

    def __init__(self, wrong: str, at: str | None) -> None:
        self.at = at
        super().__init__(wrong)


class RaisedError(Exception):
    """The function raised an exception of the class `kind`."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message or kind)


def call(function: str, *arguments: Any, cpu_s: float = CPU_S, memory_bytes: int = MEMORY_BYTES) -> Any:
    """What `function`, such as `parity.models.template:render`, returns for the arguments in the child. Both are what
    JSON can say. The child has none of parity's environment that it doesn't need.

    Raises:
        LimitError: it broke a limit, or the child can't be started.
        RaisedError: it raised an exception of its own.
    """
    request = {"call": function, "arguments": arguments, "cpu_s": cpu_s, "memory_bytes": memory_bytes}
    notes, answer = _child.ask(json.dumps(request).encode() + b"\n", cpu_s * WALL_FACTOR)
    if "value" in answer:
        return answer["value"]
    if "raised" in answer:
        raise RaisedError(answer["raised"], answer["message"])
    if "memory" in answer:
        wrong = f"it needed more than {memory_bytes / 1024**3:.2g} GiB of memory"
    elif "time" in answer:
        wrong = f"it took more than {cpu_s:.3g} s"
    else:
        wrong = answer["lost"]
    raise LimitError(wrong, notes[-1] if notes else None)


def child_pid() -> int | None:
    """The process id of the child; None while there is none."""
    return _child.pid


class _Child:
    """The one child, which is started at the first request, and anew after it broke a limit."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._one_at_a_time = threading.Lock()

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def ask(self, request: bytes, wall_s: float) -> tuple[list[str], dict[str, Any]]:
        """The notes and the answer: the child's own, or `{"time": true}`, or `{"lost": why}`."""
        with self._one_at_a_time:
            try:
                if self._process is not None and self._process.poll() is not None:
                    self.close()
                if self._process is None:
                    self._process = started("parity.bounded.child")
            except OSError as error:
                return [], {"lost": f"no child process could be started for it: {error.strerror}"}
            return self._answered(self._process, request, wall_s)

    def close(self) -> None:
        """Ends the child, if there is one."""
        if self._process is not None:
            end(self._process)
            self._process = None

    def _answered(
        self, process: "subprocess.Popen[bytes]", request: bytes, wall_s: float
    ) -> tuple[list[str], dict[str, Any]]:
        notes: list[str] = []
        fit = False
        try:
            for line in _exchanged(process, request, time.monotonic() + wall_s):
                answer: dict[str, Any] = json.loads(line)
                if "note" not in answer:
                    fit = "memory" not in answer
                    return notes, answer
                notes.append(answer["note"])
            status = end(process)
        except TimeoutError:
            return notes, {"time": True}
        except OSError as error:
            return notes, {"lost": f"its process could not be talked to: {error}"}
        finally:
            # Also after Ctrl-C, when an answer would come to the next request.
            if not fit:
                self.close()
        ended = signal.Signals(-status).name if status < 0 else f"exit code {status}"
        return notes, {"time": True} if status == -signal.SIGXCPU else {"lost": f"its process ended ({ended})"}


def _exchanged(child: "subprocess.Popen[bytes]", request: bytes, until: float) -> Iterator[bytes]:
    """Sends the request, and yields each line that comes back until the child closes its side.

    Raises:
        TimeoutError: `until`, in seconds of the monotonic clock, has come.
        OSError: the pipe broke, or the answer is too large.
    """
    assert child.stdin is not None
    assert child.stdout is not None
    left, held = memoryview(request), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdin, selectors.EVENT_WRITE)
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            ready = selector.select(max(0.0, until - time.monotonic()))
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                if key.fileobj is child.stdin:
                    left = left[os.write(key.fd, left[:PIECE_BYTES]) :]
                    if not left:
                        selector.unregister(child.stdin)
                    continue
                data = os.read(key.fd, PIECE_BYTES)
                if not data:
                    return
                held += data
                if len(held) > LARGEST_ANSWER_BYTES:
                    raise OSError("the answer is too large")
                if b"\n" in data:
                    *lines, rest = held.split(b"\n")
                    held = bytearray(rest)
                    yield from map(bytes, lines)


def started(module: str, *arguments: str) -> "subprocess.Popen[bytes]":
    """A child that runs a module as a program, with pipes that don't block. It has none of parity's environment that
    it doesn't need.

    Raises:
        OSError: it can't be started.
    """
    env = {name: value for name, value in os.environ.items() if name in _PASSED or name.startswith("COVERAGE")}
    child = subprocess.Popen(
        (sys.executable, "-P", "-m", module, *arguments),
        env={**env, "PYTHONPATH": os.pathsep.join(sys.path), "TOKENIZERS_PARALLELISM": "false"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        # Ctrl-C in the terminal is for parity, which ends the child if it wants to. Of our session: see `adoption`.
        process_group=0,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    for pipe in (child.stdin, child.stdout):
        os.set_blocking(pipe.fileno(), False)
    return child


def end(process: "subprocess.Popen[bytes]") -> int:
    """Ends a child that was `started`, and closes its pipes. Its exit status, as `Popen.returncode` has it; of one that
    ended by itself, its own."""
    process.kill()
    status = process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    return status


_child = _Child()
atexit.register(_child.close)
