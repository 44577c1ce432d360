"""The child: takes one request a line from standard input, and answers each with lines of JSON.

A request is `{"call": "module:function", "arguments": […], "cpu_s": …, "memory_bytes": …}`. Answers are any number of
`{"note": text}`, and then `{"value": …}`, `{"memory": true}` or `{"raised": class, "message": text}`.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from parity.bounded.limits import die_with_parent, limit
from parity.bounded.noting import tell_to

LONGEST_MESSAGE = 2000
"""Characters of an exception's text."""


def main() -> None:
    """Serves until its input ends."""
    die_with_parent()
    answers = os.dup(1)
    os.dup2(2, 1)  # what a function prints is no answer
    tell_to(lambda work: _write(answers, {"note": work[:LONGEST_MESSAGE]}))
    for line in sys.stdin.buffer:
        _write(answers, _answer(json.loads(line)))


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    limit(request["cpu_s"], request["memory_bytes"])
    try:
        value = {"value": _function(request["call"])(*request["arguments"])}
        json.dumps(value)
    except MemoryError:
        return {"memory": True}
    except BaseException as error:
        # A panic of a library in Rust derives from BaseException alone.
        return {"raised": type(error).__name__, "message": str(error)[:LONGEST_MESSAGE]}
    return value


def _function(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


def _write(fd: int, answer: dict[str, Any]) -> None:
    left = memoryview(json.dumps(answer).encode() + b"\n")
    while left:
        left = left[os.write(fd, left) :]


if __name__ == "__main__":
    main()
