"""A machine that real processes keep busy."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from runs import Parity, WriteConfig, config_text, speaker_table

pytestmark = [pytest.mark.slow, pytest.mark.alone]

HOG = Path(__file__).parents[2] / "benchmarks" / "hog.py"
LONGEST_S = 300


@pytest.fixture
def busy_cpus() -> Iterator[int]:
    """As many busy processes as there are CPUs, and one that says when they are at work."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    options = ["--duty", "1", "--seconds", str(LONGEST_S), "--processes", str(cpus)]
    with subprocess.Popen([sys.executable, str(HOG), *options], start_new_session=True) as hog:
        yield cpus
        os.killpg(hog.pid, 15)


def test_a_heavy_hog_makes_trials_void_and_the_run_says_who_it_is(
    parity: Parity, write_config: WriteConfig, busy_cpus: int
) -> None:
    runtimes = speaker_table("base", ["--rate", "20"]) + speaker_table("other", ["--rate", "20"])
    text = config_text(runtimes, rounds=5).replace("others_cpu = 1000", "")
    done = parity("run", write_config(text), "--out", "run", timeout_s=LONGEST_S)
    trials = [*done.report["trials"], *done.report["void"]]
    assert all(trial["void"] for trial in trials if not trial["warmup"])
    assert done.code == 3
    assert done.verdicts() == {"hangs": "PASS", "speed": "INCONCLUSIVE"}
    [speed] = [v for v in done.report["verdicts"] if v["gate"] == "speed"]
    assert "the machine was busy in" in speed["sentence"]
    assert f"of {busy_cpus} CPU" in speed["sentence"]
    assert "the machine is busy: other programs use" in done.err
    assert "python" in done.err.split("the machine is busy")[1]
    assert "trials were void" in done.out
