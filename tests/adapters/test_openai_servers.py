"""Real servers of the OpenAI-compatible API beside the libraries that they are made of, in one config."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mlx_models import mlx_folder
from owners_job import run
from runs import ANY_MACHINE, MODEL, PARITY, Done

from parity.hosts.machine import host_facts
from parity.models import parse_source, silent
from parity_adapters.openai import OpenAI

pytestmark = pytest.mark.slow

SERVERS = ("llama-server", "mlx-server")
COMPARED = {
    "load_s": "spawn-to-ready",
    "prompt_tps": "prompt-to-text",
    "ttft_s": "first-text",
    "gen_tps": "chunk-interval",
    "itl_p50_s": "text-gaps",
    "total_s": "start-to-text",
    "wall_s": "spawn-to-exit",
    "cpu_s": "process-tree",
    "peak_rss_bytes": "process-tree-sampled",
    "prompt_tokens": "prompt-ids",
}


ONCE = f"""
[rounds]
fixed = 1
warmup = 0

[limits]
first_token_s = 300
{ANY_MACHINE}
"""

_COMMAND = [sys.executable, "-m", "mlx_lm.server", "--model", "{model}", "--port", "{port}"]
MLX_SERVER = f"""
[runtimes.mlx-server]
adapter = "openai"
server = "mlx_lm.server"
command = {json.dumps(_COMMAND)}
device = "cpu"
env = {{ HF_HUB_OFFLINE = "1" }}
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Done:
    folder = tmp_path_factory.mktemp("servers")
    mlx = mlx_folder(smollm2, folder / "mlx-model", quantization={"group_size": 32, "bits": 4})
    config = f"""
baseline = "llama"

[[models]]
name = "smollm2"
source = "{MODEL}"

[[tests]]
name = "count"
prompt = "Count from one to twenty in words."
max_tokens = 16

[runtimes.llama]
adapter = "llama_cpp"
threads = 1

[runtimes.mlx]
adapter = "mlx_lm"
device = "cpu"

{_offered("llama-server")}

{MLX_SERVER}
model = "{mlx}"

[[declare]]
fact = "weights"
runtimes = ["mlx-server"]
reason = "the same weights, stored in a folder"

{ONCE}
"""
    return run(folder, config)


def _offered(name: str) -> str:
    """The table that `parity init` offers, with one thread."""
    found = OpenAI.example(host_facts().but(usable_cpus=1))
    keys = "\n".join(f"{key} = {json.dumps(value)}" for key, value in found.keys.items())
    return f'[runtimes.{name}]\nadapter = "openai"\n{keys}'


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """`mlx_lm.server` beside mlx-lm on the folder that both load."""
    folder = tmp_path_factory.mktemp("judged")
    gguf = parse_source("synth://tiny-llama/Q8_0@0", folder).fetch(silent)
    mlx_folder(gguf, folder / "model", quantization={"group_size": 32, "bits": 8})
    config = f"""
baseline = "mlx"

[[models]]
name = "tiny"
source = "./model"

[[tests]]
name = "count"
prompt = "Count from one to twenty in words."
max_tokens = 16

[runtimes.mlx]
adapter = "mlx_lm"
device = "cpu"

{MLX_SERVER}

[[gates]]
name = "same"
kind = "outputs"

{ONCE}
"""
    return run(folder, config)


def test_the_log_probabilities_of_a_server_prove_its_outputs(judged: Done) -> None:
    [found] = judged.report["outputs"]
    assert found["verdict"] in ("IDENTICAL", "EQUIVALENT"), found["sentence"]
    states = {rung["name"]: rung["state"] for rung in found["rungs"]}
    assert (states["prompt"], states["greedy"]) == ("same", "same")
    assert found["distances"]["positions"] == found["distances"]["continuation"] == 16
    assert found["distances"]["largest_delta"] < 0.05
    assert judged.verdicts() == {"same": "PASS"}


def test_what_a_server_scored_is_drawn_and_explained(judged: Done) -> None:
    page = subprocess.run([PARITY, "report", str(judged.run), "--format", "html"], capture_output=True, check=True)
    assert b"16 positions: median" in page.stdout
    told = subprocess.run([PARITY, "explain", str(judged.run), "mlx-server"], capture_output=True, check=True)
    assert b"mlx-server, its own answer: 36 ids" in told.stdout


def compared(done: Done, runtime: str) -> dict[str, dict[str, Any]]:
    """Metric → its strictest comparison."""
    found: dict[str, dict[str, Any]] = {}
    for each in done.report["comparisons"]:
        if each["runtime"] == runtime:
            found.setdefault(each["metric"], each)
    return found


@pytest.mark.parametrize("runtime", SERVERS)
def test_every_row_of_a_server_is_compared_or_says_what_it_would_take(done: Done, runtime: str) -> None:
    found = compared(done, runtime)
    for metric, definition in COMPARED.items():
        each = found[metric]
        assert (each["definition"], each["reason"]) == (definition, None), each
        assert each["ratio"] is not None or each["difference"] is not None
    for metric in found.keys() - COMPARED.keys():
        assert found[metric]["difference"] is not None or found[metric]["remedy"], found[metric]


@pytest.mark.parametrize("runtime", SERVERS)
def test_a_server_gives_the_text_of_its_library(done: Done, runtime: str) -> None:
    texts = {trial["runtime"]: trial["text"] for trial in done.report["trials"]}
    assert texts[runtime] == texts[runtime.replace("-server", "")]
    assert len(texts[runtime]) > 12


@pytest.mark.parametrize("runtime", SERVERS)
def test_a_fresh_server_is_asked_for_the_prompt_of_all_and_had_none_before(done: Done, runtime: str) -> None:
    [trial] = done.trials(runtime)
    [library] = done.trials("llama")
    assert trial["failure"] is None
    assert trial["departures"] in ([], [d for d in trial["departures"] if d["fact"] == "weights"])
    assert trial["identity"]["prompt_ids_sha256"] == library["identity"]["prompt_ids_sha256"]
    assert (trial["identity"]["settings"]["prefix_cache"], trial["identity"]["settings"]["warm_up"]) == (False, False)
