"""What tests of the supervisor need: real programs, and how each is run and looked at. Those of `tests/engine/faults`
fail in the ways that inference programs do."""

import sys
from collections.abc import Callable
from pathlib import Path

import psutil

from parity.adapter import Marker
from parity.records import Limits
from parity.transcript import End, Transcript

FAULTS = Path(__file__).parents[1] / "engine" / "faults"
READY = Marker(pattern="^ready$")
TOKEN = Marker(pattern="^token")
FAR = 60.0
"""A limit that the test must not reach."""

Run = Callable[..., Transcript]


def fault(name: str) -> tuple[str, str]:
    return sys.executable, str(FAULTS / f"{name}.py")


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-c", code


def limits(**changes: float) -> Limits:
    return Limits.model_validate(
        {"load_s": FAR, "first_token_s": FAR, "stall_s": FAR, "total_s": FAR, "grace_s": 0.3, **changes}
    )


def end_of(transcript: Transcript) -> End:
    assert transcript.end is not None
    return transcript.end


def lasted_s(transcript: Transcript) -> float:
    assert transcript.spawn is not None
    return (end_of(transcript).t_ns - transcript.spawn.t_ns) / 1e9


def alive_with(variable: str, value: str) -> list[psutil.Process]:
    """Every process of this machine that has the variable in its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(variable) == value:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found
