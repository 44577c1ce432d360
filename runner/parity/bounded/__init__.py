"""Runs a function in a child with limits of time and memory.

Regular expressions of a config, and chat templates and tokenizers of a model, are programs that strangers wrote: they
may take for ever, fill the memory or crash the interpreter. What evaluates them runs here. One child serves a whole
run: it is started when it is first needed, and ended when it breaks a limit.
"""

from parity.bounded.alarm import OverdueError, within
from parity.bounded.calling import (
    CPU_S,
    MEMORY_BYTES,
    WALL_FACTOR,
    LimitError,
    RaisedError,
    call,
    child_pid,
    end,
    started,
)
from parity.bounded.noting import note

__all__ = [
    "CPU_S",
    "MEMORY_BYTES",
    "WALL_FACTOR",
    "LimitError",
    "OverdueError",
    "RaisedError",
    "call",
    "child_pid",
    "end",
    "note",
    "started",
    "within",
]
