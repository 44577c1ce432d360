"""Synthetic models, made through their address as a config names them."""

from pathlib import Path
from typing import Any

from parity.models import Watch, parse_source, silent


def synthesise(preset: str, quant: str, seed: int, *, watch: Watch = silent) -> Path:
    """The GGUF file; `tokenizer.json` is beside it."""
    return parse_source(f"synth://{preset}/{quant}@{seed}", Path()).fetch(watch)


def loaded(path: Path) -> Any:
    """The model in llama.cpp, on one thread."""
    from llama_cpp import Llama

    return Llama(str(path), n_ctx=512, n_threads=1, verbose=False)
