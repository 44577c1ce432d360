"""A whole run of each architecture whose models differ in more than size, on the real llama.cpp, MLX and Candle."""

import os
import shutil
from pathlib import Path

import pytest
from gguf_editing import edited
from runs import ANY_MACHINE, Parity, WriteConfig
from synthetic import synthesise

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("cargo") is None and not os.environ.get("CI"),
        reason="there is no cargo here to build the Candle reference (where CI is set, that fails)",
    ),
]

CRATE = Path(__file__).parents[2] / "vendor-scripts" / "candle-reference"
CONFIG = """
baseline = "llama.cpp"

[[models]]
name = "tiny"
source = "{model}"

[[tests]]
name = "t"
prompt = "What is 2+2?"
max_tokens = 24

[runtimes."llama.cpp"]
adapter = "llama_cpp"
threads = 1

[runtimes.mlx]
adapter = "mlx_lm"

[runtimes.candle]
adapter = "candle"
source = "reference"
path = "{crate}"
threads = 1

[rounds]
count = 1
warmup = 0

[[gates]]
name = "same"
kind = "outputs"
"""


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
    text = CONFIG.format(model=model_of(architecture, tmp_path), crate=CRATE)
    done = parity("run", write_config(text + ANY_MACHINE), "--out", "run", timeout_s=2400)
    assert done.code == 0, done.out + done.err
    report = done.report
    assert [trial["failure"] for trial in report["trials"]] == [None] * 3
    found = {outputs["runtime"]: outputs["verdict"] for outputs in report["outputs"]}
    assert found.keys() == {"mlx", "candle"}
    assert set(found.values()) <= {"IDENTICAL", "EQUIVALENT"}, found
