"""Models on disk: where they come from, what they hash to, and what their headers say.

Importing this package is cheap: `gguf`, NumPy and `huggingface_hub` are imported when they are needed.
"""

from pathlib import Path

from parity.errors import ModelError
from parity.models.digest import file_sha256, files_sha256, stamp_of
from parity.models.facts import SYNTHETIC_DESCRIPTION
from parity.models.folder import files_that_matter
from parity.models.hub import repo_folder
from parity.models.inspect import inspect_model
from parity.models.progress import Step, Watch, silent
from parity.models.source import Scheme, Source, parse_source, tiny_like
from parity.records import ModelFacts

__all__ = [
    "SYNTHETIC_DESCRIPTION",
    "Scheme",
    "Source",
    "Step",
    "Watch",
    "check_pin",
    "content_sha256",
    "content_stamp",
    "file_sha256",
    "locate",
    "model_facts",
    "parse_source",
    "repo_folder",
    "silent",
    "stamp_of",
    "tiny_like",
]


def model_facts(
    name: str,
    title: str,
    source_text: str,
    *,
    base: Path,
    sha256: str | None = None,
    watch: Watch = silent,
) -> ModelFacts:
    """Makes the model present, hashes it and reads its header. `sha256` pins its content.

    Raises:
        ModelError: it can't be fetched or read, or its content isn't what `sha256` says.
    """
    path = parse_source(source_text, base).fetch(watch)
    if not _is_utf8(path):
        raise ModelError(f"{path}: the path is not UTF-8, and run folders record it", "rename the folder or the file")
    # What is pinned is read: size and time stamps of a file can be set back.
    digest = content_sha256(path, watch, fresh=sha256 is not None)
    # Before the hashes are compared: "cut off at byte n" says more than two different hashes.
    inspection = inspect_model(path, digest)
    _check_pin(path, digest, sha256)
    return ModelFacts(
        name=name,
        title=title,
        source=source_text,
        path=str(path),
        sha256=digest,
        size_bytes=sum(file.stat().st_size for file in _files(path)),
        **inspection.model_dump(),
    )


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def check_pin(path: Path, sha256: str, watch: Watch = silent) -> None:
    """Raises ModelError where the content of a model that is here isn't what `sha256` says. It is read only if a file
    of it changed since it was read last."""
    _check_pin(path, content_sha256(path, watch), sha256)


def _check_pin(path: Path, digest: str, pinned: str | None) -> None:
    if pinned is not None and pinned.lower() != digest:
        raise ModelError(
            f"{path}: its sha256 is {digest}, and the config pins {pinned.lower()}",
            "fetch the pinned file again, or update `sha256` in the config if the change is intended",
        )


def content_sha256(path: Path, watch: Watch = silent, *, fresh: bool = False) -> str:
    """The hash of a model that is here, as `ModelFacts` has it; read again only if a file of it changed, or if `fresh`.

    Raises:
        ModelError: it can't be read.
        OSError: it isn't there.
    """
    if path.is_dir():
        return files_sha256(path, _files(path), watch, fresh=fresh)
    return file_sha256(path, watch, fresh=fresh)


def content_stamp(path: Path) -> str:
    """What the system knows of the files of a model.

    Raises:
        OSError: it isn't there.
    """
    return " ".join(stamp_of(file) for file in _files(path))


def _files(path: Path) -> tuple[Path, ...]:
    """The files of a model."""
    return files_that_matter(path) if path.is_dir() else (path,)


def locate(source_text: str, base: Path) -> Path | None:
    """Where a model lies now, without network; None if a run must fetch or make it.

    Raises:
        ModelError: the source is malformed, or names a file that is missing and that no run can fetch.
    """
    source = parse_source(source_text, base)
    path = source.locate()
    # What can't be fetched says here why it is missing.
    return source.fetch(silent) if path is None and not source.can_fetch else path
