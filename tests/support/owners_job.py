"""What whole runs of the owner's job need: `configs/qwen3.toml` with a stand-in for paraphym, and for its baseline.

The stand-in computes nothing: its figures are its pauses, and none of them says anything about paraphym."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from preparing import commit, git
from runs import PARITY, Done

from parity.models import parse_source, silent

ROOT = Path(__file__).parents[2]
MODEL = "synth://tiny-qwen3/Q8_0@1"
BUILD_S = 3600
"""What a first build of Candle's examples may take from empty caches."""

CANDLE = 'source = "checkout"\npath = "${CANDLE}"\nfeatures = ["${GPU:-metal}"]\nexamples = ["quantized-qwen3"]'
PARAPHYM = 'path = "${PARAPHYM}"\nfeatures = ["${GPU:-metal}"]\n'
OUTPUTS = '[[gates]]\nname = "same-answers"\nkind = "outputs"\nruntimes = ["paraphym"]\n\n'
WITNESSES = '[runtimes.llama-cpp-python]\nadapter = "llama_cpp"\n\n[runtimes.mlx-lm]\nadapter = "mlx_lm"\n\n'


@dataclass(frozen=True)
class StandIn:
    """A checkout of the stand-in, and the model whose file it says it loads."""

    checkout: Path
    model: Path

    def table(self, **played: str | float | Path) -> str:
        """What stands in a runtime's table beside its adapter. Words in capitals set `STANDIN_…` variables.

        Its text is one token a word by the model's tokenizer, so that its count is what it was told."""
        variables = {"WORD": " a", "MODEL": self.model, **played}
        env = ", ".join(f"STANDIN_{name} = {json.dumps(str(value))}" for name, value in variables.items())
        own = f"path = {json.dumps(str(self.checkout))}\ndefault_features = false\nhub_files = []\n"
        own += "rayon_threads = 1\n"
        return f"{own}env = {{ {env} }}\n"


def make_stand_in(folder: Path) -> StandIn:
    """A clone of the stand-in in `folder`; the first run builds it."""
    checkout = folder / "paraphym"
    shutil.copytree(ROOT / "tests" / "standins" / "paraphym", checkout, ignore=shutil.ignore_patterns("target"))
    (checkout / ".gitignore").write_text("target\n", encoding="utf-8")
    git(checkout, "init", "--quiet", "--initial-branch=main")
    commit(checkout)
    return StandIn(checkout, parse_source(MODEL, Path()).fetch(silent))


def swapped(text: str, swaps: Mapping[str, str]) -> str:
    for old, new in swaps.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def owners_job(
    paraphym: str,
    *,
    baseline: str | None = None,
    rounds: int | None = None,
    warmup: int = 0,
    limits: str = "",
    outputs: bool = False,
) -> str:
    """`configs/qwen3.toml` with a tiny model, the stand-in and no witnesses; `baseline`: a stand-in for Candle too.

    `rounds`: as many, and so many warm-up rounds; by default those of the config. `outputs`: with the gate on these,
    which says nothing good of a stand-in that computes nothing beside a baseline that does."""
    text = swapped(
        (ROOT / "configs" / "qwen3.toml").read_text(encoding="utf-8"),
        {
            "hf://unsloth/Qwen3-1.7B-GGUF/Qwen3-1.7B-Q4_K_M.gguf": MODEL,
            # One thread on both sides, as two of them wait for each other on a busy machine.
            CANDLE: 'examples = ["quantized-qwen3"]\nthreads = 1',
            PARAPHYM: paraphym,
            WITNESSES: "",
            # A pause takes no longer on a busy machine, so that no trial of the stand-in is void there.
            "[limits]\n": "[conditions]\nothers_cpu = 1000\n\n[limits]\n",
            "total_s = 900\n": f"total_s = 900\n{limits}",
        },
    )
    if not outputs:
        text = swapped(text, {OUTPUTS: ""})
    if rounds is not None:
        text = re.sub(r"(?m)^\[rounds\]\n(.+\n)*", f"[rounds]\ncount = {rounds}\nwarmup = {warmup}\n", text)
    if baseline is None:
        return text
    candle = 'adapter = "candle"\ntitle = "Candle"\nexamples = ["quantized-qwen3"]\nthreads = 1\n'
    return swapped(text, {candle: f'adapter = "paraphym"\ntitle = "Stand-in"\ngreedy_temperature = 0.001\n{baseline}'})


def run(folder: Path, text: str) -> Done:
    """`parity run` on a config in `folder`, on a device that the stand-in names."""
    (folder / "qwen3.toml").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [PARITY, "run", "qwen3.toml", "--out", "run"],
        cwd=folder,
        env={**os.environ, "GPU": "cpu"},
        capture_output=True,
        text=True,
        timeout=BUILD_S,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr, folder / "run")
