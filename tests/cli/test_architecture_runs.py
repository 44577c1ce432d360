"""A whole run of each architecture whose models differ in more than size, on the real llama.cpp, MLX and Candle."""

from pathlib import Path

import pytest
from all_engines import NEEDS_CARGO, config_of
from gguf_editing import edited
from runs import Parity, WriteConfig
from synthetic import synthesise

pytestmark = [pytest.mark.slow, NEEDS_CARGO]


def model_of(architecture: str, folder: Path) -> Path:
    path = synthesise(f"tiny-{architecture}", "Q8_0", 5)
    if architecture != "phi3":
        return path
    # Candle computes Phi-3's RoPE with this base, whatever the file says, and refuses any other.
    return edited(path, folder / "phi3.gguf", fields={"phi3.rope.freq_base": 10_000.0})


@pytest.mark.parametrize("architecture", ["gemma3", "phi3", "qwen2"])
def test_all_engines_give_the_same_answers(
    architecture: str, tmp_path: Path, parity: Parity, write_config: WriteConfig
) -> None:
    text = config_of(model_of(architecture, tmp_path), tokens=24)
    done = parity("run", write_config(text), "--out", "run", timeout_s=2400)
    assert done.code == 0, done.out + done.err
    report = done.report
    assert [trial["failure"] for trial in report["trials"]] == [None] * 3
    found = {outputs["runtime"]: outputs["verdict"] for outputs in report["outputs"]}
    assert found.keys() == {"mlx", "candle"}
    assert set(found.values()) <= {"IDENTICAL", "EQUIVALENT"}, found
