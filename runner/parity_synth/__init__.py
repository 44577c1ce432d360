"""Synthetic models: the true shape of a published model, with made-up weights and tokenizer.

The same kernels run on them and the same bytes are moved, so their speed is the real model's; their text is not.
`parity` finds them through the entry-point group `parity.sources`, as `synth://PRESET/QUANT@SEED`.
"""

from parity_synth.install import check_install, install_as
from parity_synth.presets import PRESETS, QUANTS, Preset, Quant
from parity_synth.source import Synthetic, parse_synthetic, tiny_source

__all__ = [
    "PRESETS",
    "QUANTS",
    "Preset",
    "Quant",
    "Synthetic",
    "check_install",
    "install_as",
    "parse_synthetic",
    "tiny_source",
]
