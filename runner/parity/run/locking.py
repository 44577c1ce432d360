"""Locks between processes of one machine. The system lets go of one when its holder is gone, however it ended."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

POLL_S = 0.2


class LockedError(Exception):
    """A different process holds the lock. `pid`: which, where it could be read."""

    def __init__(self, pid: int | None) -> None:
        self.pid = pid
        super().__init__(f"held by process {pid or '(unknown)'}")

    @property
    def holder(self) -> str:
        """The other process, in words."""
        return f"process {self.pid}" if self.pid is not None else "a different process"


@contextmanager
def locked(path: Path, mode: int = 0o600, *, sure: bool = False) -> Iterator[None]:
    """Holds the lock that a file stands for, which is made if it is not there. A file system that knows no locks is no
    reason not to go on, unless the caller must be `sure`.

    Raises:
        LockedError: a different process holds it.
        OSError: the file can't be made, or locks are not known here and the caller must be sure.
    """
    descriptor = _opened(path, mode)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(_pid(descriptor)) from error
        except OSError:
            if sure:
                raise
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def waited(path: Path, told: Callable[[str], None], given_up: Callable[[], bool]) -> Iterator[None]:
    """Holds the lock that a file stands for as soon as it is free, and says once, with its holder in words, that it is
    not. Where no such file can be made, or the wait is given up, it goes on without the lock."""
    said = False
    with ExitStack() as held:
        while not given_up():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                held.enter_context(locked(path))
            except LockedError as error:
                if not said:
                    told(error.holder)
                said = True
                time.sleep(POLL_S)
                continue
            except OSError:
                pass
            break
        yield


def _opened(path: Path, mode: int) -> int:
    """A lock of a different user can be taken too, though not written to."""
    flags = os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | flags, mode)
        with suppress(OSError):
            os.fchmod(descriptor, mode)  # whatever the umask of who made it first
        return descriptor
    except PermissionError:
        return os.open(path, os.O_RDONLY | flags)


def _pid(descriptor: int) -> int | None:
    with suppress(OSError, ValueError):
        return int(os.pread(descriptor, 32, 0))
    return None
