"""Models on disk: where they come from, what they hash to, and what their headers say.

Importing this package is cheap: `gguf`, NumPy and `huggingface_hub` are imported when they are needed.
"""

from pathlib import Path

from parity.errors import ModelError
from parity.models.digest import file_sha256, files_sha256
from parity.models.folder import files_that_matter
from parity.models.inspect import inspect_model
from parity.models.progress import Progress, silent
from parity.models.source import Source, parse_source
from parity.records import ModelFacts

__all__ = ["Progress", "Source", "model_facts", "parse_source", "silent"]


def model_facts(
    name: str,
    title: str,
    source_text: str,
    *,
    base: Path,
    sha256: str | None = None,
    progress: Progress = silent,
) -> ModelFacts:
    """Makes the model present, hashes it and reads its header. `sha256` pins its content.

    Raises:
        ModelError: it can't be had or read, or its content isn't what `sha256` says.
    """
    path = parse_source(source_text, base).fetch(progress)
    files = files_that_matter(path) if path.is_dir() else (path,)
    digest = files_sha256(path, files, progress) if path.is_dir() else file_sha256(path, progress)
    # Before the pin is compared: "cut off at byte n" says more than two different hashes.
    inspection = inspect_model(path, digest)
    if sha256 is not None and sha256.lower() != digest:
        raise ModelError(
            f"{path}: its sha256 is {digest}, and the config pins {sha256.lower()}",
            "fetch the pinned content again, or pin the new hash if the change was meant",
        )
    return ModelFacts(
        name=name,
        title=title,
        source=source_text,
        path=str(path),
        sha256=digest,
        size_bytes=sum(file.stat().st_size for file in files),
        **inspection.model_dump(),
    )
