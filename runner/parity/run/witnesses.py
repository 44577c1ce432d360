"""Figures of other benchmarks that are put beside a run: kept in its folder as the files hold them."""

import json
from collections.abc import Sequence

from parity.errors import ParityError, RunFolderError
from parity.reading.llama_bench import read_llama_bench
from parity.records.witness import Witnesses
from parity.run.log import RunFolder

NAME = "witnesses.json"


def add_witnesses(folder: RunFolder, texts: Sequence[tuple[str, str]]) -> Witnesses:
    """Keeps what llama-bench wrote with a run, and returns all that the run has then. A file of the same name and
    content is kept once. `texts`: the name and the text of each file.

    Raises:
        ParityError: a file is not what llama-bench writes.
        OSError: the folder can't be written.
    """
    read_llama_bench(texts)
    kept = list(dict.fromkeys((*_kept(folder), *texts)))
    listed = [{"program": "llama-bench", "file": file, "text": text} for file, text in kept]
    folder.write(NAME, json.dumps(listed, indent=2) + "\n")
    return read_llama_bench(kept)


def recorded_witnesses(folder: RunFolder) -> Witnesses | None:
    """Those of a run; None where it has none.

    Raises:
        RunFolderError: what it has is not what parity wrote.
    """
    kept = _kept(folder)
    try:
        return read_llama_bench(kept) if kept else None
    except ParityError as error:
        raise RunFolderError(f"{folder.path / NAME}: {error}; remove it, and import the files again") from error


def _kept(folder: RunFolder) -> list[tuple[str, str]]:
    path = folder.path / NAME
    if not path.exists():
        return []
    try:
        return [(str(entry["file"]), str(entry["text"])) for entry in json.loads(path.read_bytes())]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        why = f"is not what parity writes ({type(error).__name__}); remove it, and import the files again"
        raise RunFolderError(f"{path}: {why}") from error
