"""What a program may print of what it was given, before it does anything. Pure.

Many programs print the prompt, or the model that they load. A marker that is found there would take that echo for the
end of a phase, and a figure would be read out of it.
"""

import re
from collections.abc import Iterator, Mapping

from parity.errors import RefusedError
from parity.records import Job


def refuse_echoed(patterns: Mapping[str, str], job: Job) -> None:
    """`patterns`: how a message names them → the regular expression.

    Raises:
        RefusedError: a line of the prompt, or the model's path or name, matches one of them.
    """
    given = dict.fromkeys(prompt_lines(job), "the prompt")
    given |= {job.model.path: "the model's path", job.model.name: "the model's name"}
    for key, pattern in patterns.items():
        regex = re.compile(pattern)
        for text, place in given.items():
            if regex.search(text):
                raise RefusedError(
                    f"{key} = {pattern!r} is found in {place} {_shortened(text)!r}, so that an echo of it would be "
                    "taken for the program's own line: have the pattern match all of the line that the program prints, "
                    "or change the prompt"
                )


def is_echo(match: re.Match[str], job: Job) -> bool:
    """Whether what was found in a line lies within a line of the prompt, in which it would be found too."""
    for line in prompt_lines(job):
        at = match.string.find(line)
        if at >= 0 and at <= match.start() and match.end() <= at + len(line) and match.re.search(line):
            return True
    return False


def prompt_lines(job: Job) -> Iterator[str]:
    """The lines of the test's prompt in each form in which a program may get it."""
    for text in (job.test.prompt, job.test.query, job.chat_turn):
        yield from (line for line in (text or "").splitlines() if line.strip())


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"
