"""Offers llama.cpp's quantiser to the engine, through the entry-point group `parity.quantisers`."""

import sys
from pathlib import Path

from parity.adapter import Command

DEADLINE_S = 3600.0


def quantiser(source: str, target: str, quant: str) -> Command:
    """The command that writes the GGUF `source` to `target` in the quantisation `quant`."""
    script = Path(__file__).with_name("quantise.py")
    return Command(argv=(sys.executable, str(script), source, target, quant), deadline_s=DEADLINE_S)
