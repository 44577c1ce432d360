"""Synthetic models: the true shape of a published one, made-up weights and tokenizer.

The same kernels run on them and the same bytes are moved, so their speed is the real model's; their text is not.
"""

from pathlib import Path

from parity.models.progress import Progress, silent
from parity_synth.install import check_install, install_as
from parity_synth.presets import PRESETS, QUANTS, Preset, Quant
from parity_synth.source import Synthetic, parse_synthetic

__all__ = [
    "PRESETS",
    "QUANTS",
    "Preset",
    "Quant",
    "Synthetic",
    "check_install",
    "install_as",
    "parse_synthetic",
    "synthesise",
]


def synthesise(preset: str, quant: Quant, seed: int, *, progress: Progress = silent) -> Path:
    """The GGUF file of a synthetic model, made if it isn't cached; `tokenizer.json` lies beside it.

    Raises:
        ModelError: the preset or quantisation isn't known, the cache can't be written, or no quantiser works.
    """
    return Synthetic(preset, quant, seed).fetch(progress)
