"""Where caches live, and small JSON files in them.

A cache only saves time: one that is corrupt, foreign or unwritable is a slower run and never an error.
"""

import contextlib
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

WAIT_S = 0.1
"""Between two looks at a lock that another process holds."""


def cache_folder() -> Path:
    """`$PARITY_CACHE` if set, otherwise `$XDG_CACHE_HOME/parity`, otherwise `~/.cache/parity`. It need not exist."""
    if own := os.environ.get("PARITY_CACHE"):
        return Path(own).absolute()
    shared = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification has relative paths ignored.
    base = Path(shared) if Path(shared).is_absolute() else Path(os.path.expanduser("~")) / ".cache"  # noqa: PTH111
    return base / "parity"


def user_hf_home() -> Path:
    """`HF_HOME` if set, otherwise `~/.cache/huggingface`. Programs on Rust's `hf-hub` obey no other variable.

    Absolute, because trials run in folders of their own, and with `~` expanded, as `huggingface_hub` does."""
    return Path(os.path.expanduser(os.environ.get("HF_HOME") or "~/.cache/huggingface")).absolute()  # noqa: PTH111


def read_json(path: Path) -> Any:
    """What `write_json` wrote to `path`, or None where there is nothing that can be read."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def write_json(path: Path, value: Any) -> None:
    """Replaces `path` in one step: a reader sees the old value or the new one. Says nothing if it can't."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                json.dump(value, stream)
            os.replace(temporary, path)  # noqa: PTH105
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108
            raise


@contextlib.contextmanager
def alone(final: Path, waiting: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Holds the lock of what is made at `final`, which the system frees when its holder ends in any way. `waiting` is
    called again and again while another process holds it, and may raise, to give up.

    Raises:
        OSError: the folder of `final` is missing or can't be written.
    """
    with final.with_name(f".{final.name}.lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                waiting()
                time.sleep(WAIT_S)
        yield


class InUseError(Exception):
    """A parity is at work with the cache, or nobody knows whether one is."""


@contextlib.contextmanager
def in_use(cache: Path) -> Iterator[None]:
    """Nothing of a cache folder is removed meanwhile. Any number of processes may use it at once."""
    with contextlib.ExitStack() as held:
        # Where the folder can't be written, or knows no locks, nobody can clean it safely either.
        with contextlib.suppress(OSError):
            cache.mkdir(parents=True, exist_ok=True)
            fcntl.flock(held.enter_context(_lock_of(cache).open("a")), fcntl.LOCK_SH)
        yield


@contextlib.contextmanager
def unused(cache: Path) -> Iterator[None]:
    """Nobody uses a cache folder meanwhile: who begins to has to wait, so keep it short.

    Raises:
        InUseError: somebody does already, or the file system doesn't tell.
    """
    try:
        lock = _lock_of(cache).open("a")
    except OSError as error:
        raise InUseError(f"{error.filename}: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InUseError("a parity at work uses it") from error
        except OSError as error:
            raise InUseError(f"whether a parity uses it can't be told here ({error.strerror})") from error
        yield


def _lock_of(cache: Path) -> Path:
    return cache / ".in-use.lock"
