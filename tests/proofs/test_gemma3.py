"""`proofs/gemma3.py` without its model of 241 MB: the config that it runs, and the table that it prints."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from parity.config import load_config
from parity.registry import settings_of


def test_all_three_engines_answer_raw_prompts_and_one_answer_outgrows_the_window(
    proof: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    gemma3 = proof("gemma3")
    path = tmp_path / "gemma3.toml"
    path.write_text(gemma3.config(tmp_path / "m.gguf", [*gemma3.PROMPTS, gemma3.LONG], 48), encoding="utf-8")
    config = load_config(path, settings_of).config
    assert set(config.runtimes) == {"llama.cpp", "mlx-lm", "candle"}
    assert all(test.raw for test in config.tests)
    assert max(test.max_tokens for test in config.tests) > 512


def test_a_verdict_without_distances_has_empty_cells(proof: Callable[[str], ModuleType]) -> None:
    found = {"test": "t", "runtime": "r", "verdict": "UNPROVEN", "distances": None, "needed": None}
    far = {**found, "distances": {"positions": 7, "mean_kl": 0.0012, "largest_delta": 0.25}, "needed": 0.5}
    assert list(proof("gemma3").rows([found, far])) == [
        ("t", "r", "UNPROVEN", "", "", "", ""),
        ("t", "r", "UNPROVEN", "7", "0.0012", "0.25", "0.5"),
    ]
