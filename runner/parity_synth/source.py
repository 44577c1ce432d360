"""`synth://PRESET/QUANT@SEED`: a model of true shape with made-up weights, made on first use and cached."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from parity.cache import cache_folder
from parity.errors import ModelError
from parity.models import Scheme, Watch
from parity.records import ModelFacts
from parity_synth.presets import K_QUANTS, PRESETS, QUANTS, Quant

GENERATION: Final = 1
"""Raise it with every change of what is made, so that an older cached model isn't taken for a new one."""

LARGEST_SEED: Final = 2**32 - 1
_QUANT_OF_TYPE: Final[dict[str, Quant]] = {
    **{quant: quant for quant in QUANTS if quant not in K_QUANTS},
    "Q4_K": "Q4_K_M",
    "Q5_K": "Q5_K_M",
    "Q6_K": "Q6_K",
}
"""By the tensor type that most weights of a model have."""

_FORM: Final = re.compile(r"([^/@]+)/([^/@]+)(?:@([0-9]{1,10}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A preset's shape in a quantisation; the seed decides every weight."""

    can_fetch: ClassVar[bool] = True
    preset: str
    quant: Quant
    seed: int = 0

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            near = difflib.get_close_matches(self.preset, PRESETS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"presets: {', '.join(PRESETS)}"
            raise ModelError(f"there is no preset {self.preset!r}", hint)
        if self.quant not in QUANTS:
            raise ModelError(
                f"{self.quant!r} is not a quantisation of synthetic models", f"give one of {', '.join(QUANTS)}"
            )
        if not 0 <= self.seed <= LARGEST_SEED:
            raise ModelError(f"the seed {self.seed} is out of range", f"give a whole number from 0 to {LARGEST_SEED}")

    @property
    def tiny(self) -> str | None:
        return f"synth://tiny-{PRESETS[self.preset].architecture}/{self.quant}@0"

    @property
    def folder(self) -> Path:
        return cache_folder() / "synth" / f"{self.preset}-{self.quant}-seed{self.seed}-v{GENERATION}"

    @property
    def file_name(self) -> str:
        return f"{self.preset}-{self.quant}.gguf"

    def locate(self) -> Path | None:
        path = self.folder / self.file_name
        return path if path.is_file() else None

    def fetch(self, watch: Watch) -> Path:
        if path := self.locate():
            return path
        from parity_synth.making import make

        return make(self, watch)


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


def tiny_source(architecture: str | None, quantisation: Mapping[str, int]) -> str | None:
    """The address of a tiny model of an architecture, in the quantisation that is nearest to a model's.

    `quantisation` counts a model's tensors by type. The type that most tensors have decides; F32 only where there is
    no other, because vectors are F32 in every model. None where there is no such preset or quantisation.
    """
    preset = f"tiny-{architecture}"
    counts = {kind: count for kind, count in quantisation.items() if kind != "F32"} or quantisation
    dominant = max(sorted(counts), key=lambda kind: counts[kind], default="")
    quant = _QUANT_OF_TYPE.get(dominant)
    return f"synth://{preset}/{quant}@0" if preset in PRESETS and quant is not None else None


def _like(facts: ModelFacts) -> str | None:
    # A synthetic model is a GGUF file: it proves nothing of a runtime that is to read a folder.
    return tiny_source(facts.architecture, facts.quantisation) if facts.format == "gguf" else None


SCHEME: Final = Scheme(forms=("synth://PRESET/QUANT@SEED",), parse=parse_synthetic, like=_like)
