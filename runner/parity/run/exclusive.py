"""One measuring run at a time on a machine, where the config asks for it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from parity.config import LoadedConfig
from parity.errors import ConfigError, Problem
from parity.run.locking import LockedError, locked

LOCK = Path("/tmp/parity-exclusive.lock")  # noqa: S108 - one for all users, never opened through a link
READ_BY_ALL = 0o644


@contextmanager
def exclusively(loaded: LoadedConfig) -> Iterator[None]:
    """No other run whose config has `exclusive = true` begins meanwhile, if this one has it too.

    Raises:
        ConfigError: one is at work already, which it names, or the lock can't be opened.
    """
    if not loaded.config.conditions.exclusive:
        yield
        return
    with ExitStack() as held:
        try:
            held.enter_context(locked(LOCK, READ_BY_ALL))
        except LockedError as error:
            wrong = f"a different run that wants the machine for itself is at work ({error.holder})"
            remedy = "wait for its end, or take `exclusive` out of this config: both would be disturbed"
            raise ConfigError(loaded.file, [Problem("conditions.exclusive", wrong, remedy)]) from error
        except OSError as error:
            wrong = f"the lock of all runs, {LOCK}, can't be opened ({error.strerror})"
            remedy = "remove what is there, or take `exclusive` out of this config"
            raise ConfigError(loaded.file, [Problem("conditions.exclusive", wrong, remedy)]) from error
        yield
