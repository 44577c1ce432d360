"""Text files that a config is, or names."""

import difflib
from pathlib import Path


class TextFileError(Exception):
    """A file that can't be read as text: what is wrong with it, and what to do."""

    def __init__(self, wrong: str, remedy: str) -> None:
        self.wrong = wrong
        self.remedy = remedy
        super().__init__(wrong, remedy)


def read_text(path: Path, kind: str, example: str) -> str:
    """The text of a UTF-8 file as it stands, line ends included. `kind` and `example` are for the remedies, such as
    `TOML file` and `configs/quickstart.toml`.

    Raises:
        TextFileError: it is missing, a directory, not UTF-8, or can't be read.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except IsADirectoryError as error:
        raise TextFileError("is a directory", f"name the {kind} itself, such as {example}") from error
    except FileNotFoundError as error:
        beside = [found.name for found in path.parent.glob("*") if found.is_file()]
        near = difflib.get_close_matches(path.name, beside, n=1, cutoff=0.7)
        hint = f"did you mean {path.parent / near[0]}?" if near else f"name an existing {kind}"
        raise TextFileError("there is no such file", hint) from error
    except UnicodeDecodeError as error:
        raise TextFileError(f"is not UTF-8 text ({error.reason} at byte {error.start})", "save it as UTF-8") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise TextFileError(f"can't be read ({reason})", "check its name and its permissions") from error
