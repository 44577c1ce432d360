"""The user's wish to stop, as something that a selector can wait for."""

import os
from contextlib import suppress
from types import TracebackType
from typing import Self


class Cancel:
    """Asks a running `supervise` to end: the first request politely, the second at once.

    `request` may be called from a signal handler or from any thread. One `supervise` at a time waits on it;
    once requested it stays so, and a `supervise` that begins later starts nothing.
    """

    def __init__(self) -> None:
        self._requests: list[None] = []
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    @property
    def count(self) -> int:
        """How often it was requested."""
        return len(self._requests)

    def request(self) -> None:
        """Asks once more; never blocks, never raises."""
        self._requests.append(None)  # atomic, where `+= 1` isn't
        with suppress(OSError):
            os.write(self._write, b"\0")

    def fileno(self) -> int:
        """Readable from a request until `acknowledge`."""
        return self._read

    def acknowledge(self) -> None:
        """Makes the descriptor quiet until the next request; `count` stays."""
        with suppress(BlockingIOError):
            os.read(self._read, 4096)

    def close(self) -> None:
        """Releases the descriptors; requests are still counted afterwards."""
        fds, self._read, self._write = (self._read, self._write), -1, -1
        for fd in fds:
            if fd >= 0:
                os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
