"""What can go wrong in a way that the user can fix. Bugs are not here: they stay exceptions of their own kind."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MOST_PROBLEMS = 50
"""That one message tells; who corrects them sees the rest."""

LONGEST_PART = 2000
"""Characters of one part of a problem; the rest is left out."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong: where (a config key or a path), what is wrong, and what would be right; TOML to be pasted has
    lines of its own."""

    where: str
    wrong: str
    remedy: str

    def __str__(self) -> str:
        remedy = _shortened(self.remedy).replace("\n", "\n    ")
        return f"{_shortened(self.where)}: {_shortened(self.wrong)}\n    {remedy}"


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_PART else f"{text[:LONGEST_PART]}…"


def unknown_names(where: str, names: Sequence[str], known: Sequence[str]) -> Iterator[Problem]:
    """A problem for each name that is not known, with the nearest known one as the remedy."""
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known) or 'none'}"
            yield Problem(where, f"{name!r} is not known", remedy)


class ParityError(Exception):
    """A failure with a message for the user; the command line prints it without a traceback."""


class ConfigError(ParityError):
    """A config that can't be used; carries every problem found in `file`, not only the first."""

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        self.file = file
        self.problems = tuple(problems)
        told = [f"{file}: {problem}" for problem in problems[:MOST_PROBLEMS]]
        if (more := len(problems) - MOST_PROBLEMS) > 0:
            told.append(f"{file}: {more} more problem{'' if more == 1 else 's'}\n    correct these first")
        super().__init__("\n".join(told))


class ModelError(ParityError):
    """A model that can't be found, fetched or read; `remedy` says what would help."""

    def __init__(self, wrong: str, remedy: str) -> None:
        self.wrong = wrong
        self.remedy = remedy
        super().__init__(f"{wrong}\n    {remedy}")


class ReadError(ParityError):
    """A transcript that an adapter can't read; the engine records it as a `parse` failure of the trial."""


class RefusedError(ParityError):
    """A job that an adapter won't launch; the engine records it as a `refused` failure of the trial."""


class RunFolderError(ParityError):
    """A run folder that is missing, foreign, or written by a newer version."""
