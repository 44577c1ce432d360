"""`synth://PRESET/QUANT@SEED`: a model of true shape with made-up weights, made on first use and cached."""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from parity.cache import cache_folder
from parity.errors import ModelError
from parity.models.progress import Progress
from parity_synth.presets import PRESETS, QUANTS, Quant

GENERATION: Final = 1
"""To be raised with every change of what is made, so that an older cached model isn't taken for a new one."""

LARGEST_SEED: Final = 2**32 - 1
_FORM: Final = re.compile(r"([^/@]+)/([^/@]+)(?:@([0-9]{1,10}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A preset's shape in a quantisation; the seed decides every weight."""

    preset: str
    quant: Quant
    seed: int = 0

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            near = difflib.get_close_matches(self.preset, PRESETS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"presets: {', '.join(PRESETS)}"
            raise ModelError(f"there is no preset {self.preset!r}", hint)
        if self.quant not in QUANTS:
            raise ModelError(f"{self.quant!r} can't be synthesised", f"give one of {', '.join(QUANTS)}")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise ModelError(f"the seed {self.seed} is out of range", f"give a whole number from 0 to {LARGEST_SEED}")

    @property
    def folder(self) -> Path:
        return cache_folder() / "synth" / f"{self.preset}-{self.quant}-seed{self.seed}-v{GENERATION}"

    @property
    def file_name(self) -> str:
        return f"{self.preset}-{self.quant}.gguf"

    def locate(self) -> Path | None:
        path = self.folder / self.file_name
        return path if path.is_file() else None

    def fetch(self, progress: Progress) -> Path:
        if path := self.locate():
            return path
        from parity_synth.making import make

        return make(self, progress)


def parse_synthetic(text: str) -> Synthetic:
    """What follows `synth://`; without @SEED the seed is 0.

    Raises:
        ModelError: the text has another form, or names a preset or quantisation that isn't known.
    """
    parts = _FORM.fullmatch(text)
    if parts is None:
        raise ModelError(
            f"synth://{text} is not of the form synth://PRESET/QUANT@SEED", "for example synth://qwen3-0.6b/Q8_0@1"
        )
    quant: Quant = parts[2]  # type: ignore[assignment]  # checked by Synthetic
    return Synthetic(parts[1], quant, int(parts[3] or 0))
