"""Synthetic models, made once a file of tests, in a cache of their own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from synthetic import loaded

from parity.models import parse_source, silent
from parity_synth import PRESETS
from parity_synth.tokenizer import Tokenizer, build_tokenizer


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Synthetic models that the tests of this module share."""
    cache = tmp_path_factory.mktemp("shared")

    def make(preset: str, quant: str) -> Path:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PARITY_CACHE", str(cache))
            model = parse_source(f"synth://{preset}/{quant}@1", Path())
            return model.fetch(silent)

    return make


@pytest.fixture(scope="module")
def runtime(made: Callable[[str, str], Path]) -> Any:
    return loaded(made("tiny-qwen3", "F16"))


@pytest.fixture(scope="module")
def tiny_tokenizer() -> Tokenizer:
    return build_tokenizer(PRESETS["tiny-qwen3"].tokens)
