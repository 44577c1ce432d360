"""Text files that a config is, or names."""

import difflib
import os
import shlex
import stat
from pathlib import Path

from parity.config.mistaken import GGUF, folder_kind, kind_of, model_in, named_as_model

LARGEST_BYTES = 64 * 1024 * 1024
"""Of a text file that a config names: run folders keep it."""


class TextFileError(Exception):
    """A file that can't be read as text: what is wrong with it, and what to do."""

    def __init__(self, wrong: str, remedy: str) -> None:
        self.wrong = wrong
        self.remedy = remedy
        super().__init__(wrong, remedy)


def read_text(path: Path, kind: str, example: str, largest: int = LARGEST_BYTES) -> str:
    """The text of a UTF-8 file as it stands, line ends included, without a byte order mark. `kind` and `example` are
    for the remedies, such as `TOML file` and `configs/quickstart.toml`; `largest`: bytes that it may have.

    Raises:
        TextFileError: it is missing, a directory, not a regular file, too large, not UTF-8, or can't be read.
    """
    try:
        return _read(path, kind, largest).decode("utf-8").removeprefix("\ufeff")
    except IsADirectoryError as error:
        found = folder_kind(path) or ("is a directory", f"name the {kind} itself, such as {example}")
        raise TextFileError(*found) from error
    except FileNotFoundError as error:
        raise TextFileError(*_missing(path, kind)) from error
    except UnicodeDecodeError as error:
        raise TextFileError(f"is not UTF-8 text ({error.reason} at byte {error.start})", "save it as UTF-8") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise TextFileError(f"can't be read ({reason})", "check its name and its permissions") from error


def _read(path: Path, kind: str, largest: int) -> bytes:
    """The bytes of a regular file: a pipe or a device may have no end."""
    # A pipe without a writer must not keep parity waiting.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise TextFileError("is not a regular file", f"name a {kind} that is stored on disk")
        # Files of /proc give their size as 0.
        data = file.read(largest + 1)
    if model := model_in(data[:16]):
        alone = f"run it alone, `parity run {shlex.quote(str(path))}`, or " if model == GGUF else ""
        raise TextFileError(f"is {model}, and no {kind}", f"{alone}{named_as_model(path)}")
    if other := kind_of(data[:16]):
        raise TextFileError(f"is {other}, and no {kind}", f"name the {kind} itself")
    if len(data) > largest:
        raise TextFileError(f"has more than {largest} bytes", f"name a {kind} that is smaller, or split it")
    return data


def _missing(path: Path, kind: str) -> tuple[str, str]:
    """What is wrong with a path that leads nowhere, and the nearest file that exists."""
    if path.is_symlink():
        return f"is a link to {path.readlink()}, which does not exist", "correct the link, or name the file itself"
    beside = [found.name for found in path.parent.glob("*") if found.is_file()]
    near = difflib.get_close_matches(path.name, beside, n=1, cutoff=0.7)
    return "there is no such file", f"did you mean {path.parent / near[0]}?" if near else f"name an existing {kind}"
