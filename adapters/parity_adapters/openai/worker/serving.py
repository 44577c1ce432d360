"""Starts a server, waits until it is ready, and ends it with all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator

from parity_worker import WorkerError

from .listening import foreign_listener

LOOK_S = 0.02
"""Between two looks at whether a server is ready."""

EXIT_S = 0.5
"""A server whose connection is gone may need so long to be gone itself."""

END_S = 3.0
"""Between SIGTERM and SIGKILL."""

MARK = "PARITY_SERVER"
"""A variable that the server and all that it starts have in their environment, which tells them from others."""


class Server:
    """A server that this worker started, on a port of this machine alone that nothing else listened on."""

    def __init__(self, argv: list[str], cwd: str | None) -> None:
        self.port = _free_port()
        self._mark = str(uuid.uuid4())
        words = [word.replace("{port}", str(self.port)) for word in argv]
        try:
            # What it prints goes to standard error, where it disturbs no event.
            self._process = subprocess.Popen(
                words,
                cwd=cwd,
                env={**os.environ, MARK: self._mark},
                stdin=subprocess.DEVNULL,
                stdout=2,
                stderr=2,
                start_new_session=True,
            )
        except OSError as error:
            message = f"the server can't be started: {words[0]}: {error.strerror}"
            raise WorkerError("unavailable", message, "install it, or correct `command` in the config") from error

    def wait_until(self, ready: Callable[[], bool]) -> int:
        """When it was ready, in ns. Raises WorkerError where the server ends before, or another program answers. It is
        asked for its end last: what answers on the port of one that is gone is a different server."""
        while True:
            is_ready, ready_ns = ready(), time.monotonic_ns()
            if self._process.poll() is not None:
                raise self.died("before it was ready") or WorkerError("failed", "the server ended before it was ready")
            if is_ready:
                self._check_port()
                return ready_ns
            time.sleep(LOOK_S)

    def _check_port(self) -> None:
        """A server that could not have its port may live on, while the program that has it answers."""
        if (other := foreign_listener(self.port, f"{MARK}={self._mark}", self._process.pid)) is None:
            return
        message = f"port {self.port}, which the server was to listen on, is another program's: process {other}"
        remedy = "run it again; where `command` only has a service start the server, start it yourself and give `url`"
        raise WorkerError("unavailable", message, remedy)

    def died(self, when: str) -> WorkerError | None:
        """How the server ended, if it did: the worker then ends in the same way."""
        try:
            code = self._process.wait(EXIT_S)
        except subprocess.TimeoutExpired:
            return None
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with status {code}"
        return WorkerError("failed", f"the server {how} {when}", ends_as=code)

    def end(self) -> None:
        """Ends the server and what it started, first politely."""
        for number, patience_s in ((signal.SIGTERM, END_S), (signal.SIGKILL, END_S)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience_s)
                if number == signal.SIGKILL or not _lives(self._process.pid):
                    return


def _lives(group: int) -> bool:
    """Whether a process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@contextlib.contextmanager
def served(argv: list[str] | None, cwd: str | None) -> Iterator[Server | None]:
    """A server for as long as this lasts; None where it is not for this worker to start one."""
    if argv is None:
        yield None
        return
    server = Server(argv, cwd)
    try:
        yield server
    finally:
        server.end()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
