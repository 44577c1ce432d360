"""A config of llama.cpp, MLX and the Candle reference on one model, whose outputs a gate compares."""

import os
import shutil
from pathlib import Path

import pytest
from runs import ANY_MACHINE

CRATE = Path(__file__).parents[2] / "vendor-scripts" / "candle-reference"

NEEDS_CARGO = pytest.mark.skipif(
    shutil.which("cargo") is None and not os.environ.get("CI"),
    reason="there is no cargo here to build the Candle reference (where CI is set, that fails)",
)


def config_of(model: str | Path, tokens: int, gate_keys: str = "") -> str:
    return f"""
baseline = "llama.cpp"

[[models]]
name = "tiny"
source = "{model}"

[[tests]]
name = "t"
prompt = "What is 2+2?"
max_tokens = {tokens}

[runtimes."llama.cpp"]
adapter = "llama_cpp"
threads = 1

[runtimes.mlx]
adapter = "mlx_lm"

[runtimes.candle]
adapter = "candle"
source = "reference"
path = "{CRATE}"
threads = 1

[rounds]
count = 1
warmup = 0

[[gates]]
name = "same"
kind = "outputs"
{gate_keys}
{ANY_MACHINE}
"""
