"""What is wrong with an adapter, as an exception that ends a check."""

from collections.abc import Callable
from typing import Any


class WrongError(Exception):
    """The adapter breaks its contract; `str(error)` says how."""


def asked(what: str, ask: Callable[[], Any], when: str = "") -> Any:
    """The answer of a hook.

    Raises:
        WrongError: it raised something, `sys.exit` included.
    """
    try:
        return ask()
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:
        raise WrongError(f"`{what}` raises {type(error).__name__} {when}({error})") from error
