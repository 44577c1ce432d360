"""What a program may print of what it was given, before it does anything. Pure.

Many programs print the prompt, or the model that they load. A marker that is found there would take that echo for the
end of a phase, and a figure would be read out of it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from parity.adapter.patterns import is_plain
from parity.bounded import LimitError, RaisedError, call, note
from parity.errors import RefusedError
from parity.records import Job

SEARCH_S = 5.0
"""CPU time that patterns have to search a prompt."""


def refuse_echoed(patterns: Mapping[str, str], job: Job) -> None:
    """`patterns`: how a message names them → the regular expression, which is searched in a child with limits.

    Raises:
        RefusedError: a line of the prompt, or the model's path or name, matches one of them, or it takes too long to
            tell.
    """
    given = dict.fromkeys(prompt_lines(job), "the prompt")
    given |= {job.model.path: "the model's path", job.model.name: "the model's name"}
    try:
        if all(map(is_plain, patterns.values())):
            found = first_found(dict(patterns), list(given))
        else:
            found = call("parity.adapter.echo:first_found", dict(patterns), list(given), cpu_s=SEARCH_S)
    except (LimitError, RaisedError) as error:
        at = getattr(error, "at", None) or "its markers"
        raise RefusedError(
            f"the prompt was not searched to its end for {at}: {error}: give a simpler pattern"
        ) from error
    if found is not None:
        key, text = found
        raise RefusedError(
            f"{key} = {patterns[key]!r} is found in {given[text]} {_shortened(text)!r}, so that an echo of it would be "
            "taken for the program's own line: have the pattern match all of the line that the program prints, "
            "or change the prompt"
        )


def first_found(patterns: Mapping[str, str], texts: Sequence[str]) -> tuple[str, str] | None:
    """The first pattern, by its key, that is found in one of the texts, and that text."""
    for key, pattern in patterns.items():
        note(f"{key} = {pattern!r}")
        regex = re.compile(pattern)
        for text in texts:
            if regex.search(text):
                return key, text
    return None


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
