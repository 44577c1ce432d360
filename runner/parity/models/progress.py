"""How long work on a model reports how far it is: `watch(Step(…))`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Unit = Literal["bytes", "tensors", "files"]


@dataclass(frozen=True, slots=True)
class Step:
    """How far one piece of work is. `done` and `total` count `unit`s; `total` is None where it is not known."""

    what: str
    done: int = 0
    total: int | None = None
    unit: Unit = "bytes"


Watch = Callable[[Step], None]
"""Called between two steps of the work, often: it must return at once."""


def silent(step: Step) -> None:
    """A `Watch` that ignores every step."""
