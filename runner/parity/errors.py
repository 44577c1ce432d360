"""What can go wrong in a way that the user can fix. Bugs are not here: they stay exceptions of their own kind."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing wrong: where (a config key or a path), what is wrong, and what would be right."""

    where: str
    wrong: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.wrong}\n    {self.remedy}"


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
        super().__init__("\n".join(f"{file}: {problem}" for problem in problems))


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
