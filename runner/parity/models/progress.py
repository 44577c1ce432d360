"""How long work on model files says how far it is."""

from collections.abc import Callable

Progress = Callable[[str, int, int | None], None]
"""Called with what is being done, the bytes done, and the bytes in all where they are known."""


def silent(doing: str, done_bytes: int, total_bytes: int | None) -> None:
    """The progress that nobody watches."""
