"""`configs/qwen3-cpu.toml` as it stands, on the smallest Qwen3: four real engines, Candle's own example as baseline."""

import os
import subprocess
from pathlib import Path

import pytest
from runs import PARITY, Done

pytestmark = [pytest.mark.slow, pytest.mark.alone]

ROOT = Path(__file__).parents[2]
BUILD_S = 3600
"""What first builds of Candle's examples and the Candle reference may take from empty caches."""

ROUNDS = "[rounds]\nwarmup = 1"
REFERENCE = '"../vendor-scripts/candle-reference"'
WITNESSES = ("candle-reference", "llama-cpp-python", "mlx-lm")


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("matrix")
    text = (ROOT / "configs" / "qwen3-cpu.toml").read_text(encoding="utf-8")
    for old, new in (
        # On a busy machine a round may lose the rate of two budgets on one side, and each row needs one of both sides.
        (ROUNDS, "[rounds]\ncount = 4\nwarmup = 0"),
        (REFERENCE, f'"{ROOT}/vendor-scripts/candle-reference"'),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    (folder / "qwen3-cpu.toml").write_text(text, encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if key != "PARAPHYM"}
    done = subprocess.run(
        [PARITY, "run", "qwen3-cpu.toml", "--out", "run"],
        cwd=folder,
        env={**environment, "QWEN3": "synth://tiny-qwen3/Q8_0@1"},
        capture_output=True,
        text=True,
        timeout=BUILD_S,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr, folder / "run")


def test_every_trial_of_the_real_engines_runs_and_the_port_that_is_not_set_is_left_out(matrix: Done) -> None:
    assert matrix.code == 0, matrix.err
    assert matrix.report["baseline"] == "candle"
    assert {trial["runtime"] for trial in matrix.report["trials"]} == {"candle", *WITNESSES}
    assert not [trial["failure"] for trial in matrix.report["trials"] if trial["failure"]]
    assert {v["verdict"] for v in matrix.report["verdicts"] if v["runtime"] == "paraphym"} == {"NOT APPLICABLE"}


@pytest.mark.parametrize("runtime", WITNESSES)
@pytest.mark.parametrize("metric", ["load_s", "prompt_tps", "gen_tps", "total_s", "peak_rss_bytes"])
def test_every_row_is_filled_by_one_definition_on_both_sides(matrix: Done, runtime: str, metric: str) -> None:
    [found] = [c for c in matrix.report["comparisons"] if (c["runtime"], c["metric"]) == (runtime, metric)]
    assert found["comparable"], found["reason"]
    assert found["ratio"] is not None, found["reason"]


def test_all_engines_ran_the_same_prompt_ids_and_weights(matrix: Done) -> None:
    identities = [trial["identity"] for trial in matrix.report["trials"]]
    assert len({entry["prompt_ids_sha256"] for entry in identities}) == 1
    assert len({entry["weights_sha256"] for entry in identities}) == 1
    assert None not in {entry[key] for entry in identities for key in ("prompt_ids_sha256", "weights_sha256")}
