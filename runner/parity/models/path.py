"""A model at a path of this machine: the one source that needs no scheme."""

import difflib
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from parity.errors import ModelError
from parity.models.progress import Watch


@dataclass(frozen=True, slots=True)
class LocalPath:
    """A file or folder on this machine."""

    can_fetch: ClassVar[bool] = False
    tiny: ClassVar[str | None] = None
    path: Path

    def locate(self) -> Path | None:
        try:
            return self.path if _may_hold_a_model(self.path.stat().st_mode) else None
        except OSError:
            return None

    def fetch(self, watch: Watch) -> Path:
        try:
            mode = self.path.stat().st_mode
        except FileNotFoundError:
            raise ModelError(f"{self.path}: no such file or folder", _nearest(self.path)) from None
        except OSError as error:
            raise ModelError(f"{self.path}: {error.strerror}", "name a file or folder that can be read") from error
        if not _may_hold_a_model(mode):
            raise ModelError(f"{self.path}: neither a file nor a folder", "name a GGUF file or a model folder")
        return self.path


def _may_hold_a_model(mode: int) -> bool:
    """Whether it is a file or a folder: a pipe or a device may have no end."""
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def _nearest(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f"the folder {path.parent} does not exist either; paths are relative to the config's folder"
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return "paths are relative to the config's folder"
