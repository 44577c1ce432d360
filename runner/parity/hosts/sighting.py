"""What is seen of a program while it runs, for a progress display."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was just seen. `count`: tokens so far, or steps of a build."""

    kind: Literal["spawn", "waits", "ready", "first-token", "token", "end"]
    t_ns: int
    count: int
