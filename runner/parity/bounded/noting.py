"""What a function in the child is at, for the message if it breaks a limit there."""

from collections.abc import Callable

_tell: list[Callable[[str], None]] = []


def note(work: str) -> None:
    """Says what is begun now, such as `text = (a+)+`. Says nothing outside the child."""
    for tell in _tell:
        tell(work)


def tell_to(tell: Callable[[str], None]) -> None:
    """Has every later note told to `tell`."""
    _tell.append(tell)
