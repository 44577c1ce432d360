"""Patterns that the prompt itself matches. Pure.

Many programs print the prompt, or their command line, before they do anything: a marker that is found there would take
that echo for the end of a phase, and a figure would be read out of it.
"""

import re
from collections.abc import Iterable, Mapping

from parity.errors import RefusedError
from parity.records import Job


def refuse_echoed(patterns: Mapping[str, str], job: Job, arguments: Iterable[str] = ()) -> None:
    """`patterns`: how a message names them → the regular expression. `arguments`: those that hold the prompt or the
    model.

    Raises:
        RefusedError: a line of the prompt, or of an argument that parity fills in, matches one of them.
    """
    test = job.test
    sent = [text for text in (test.prompt, test.query, job.chat_turn) if text is not None]
    lines = {line: "prompt" for text in sent for line in text.splitlines()}
    lines |= {line: "argument" for text in arguments for line in text.splitlines() if line not in lines}
    for key, pattern in patterns.items():
        regex = re.compile(pattern)
        for line, place in lines.items():
            if regex.search(line):
                raise RefusedError(
                    f"{key} = {pattern!r} is found in the {place} {_shortened(line)!r}, so that an echo of it would be "
                    "taken for the program's own line: change the prompt, or have the pattern match all of the line "
                    "that the program prints"
                )


def _shortened(line: str) -> str:
    return line if len(line) <= 80 else f"{line[:79]}…"
