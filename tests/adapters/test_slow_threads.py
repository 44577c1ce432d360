"""A real runtime that is slow because it has one thread where the baseline has two: that is what the report says."""

import pytest
from runs import Parity, WriteConfig, config_text

pytestmark = [pytest.mark.slow, pytest.mark.alone]

TABLES = """
[runtimes.base]
adapter = "llama_cpp"
threads = 2
prove = false

[runtimes.single]
adapter = "llama_cpp"
threads = 1
prove = false

[[declare]]
fact = "threads"
runtimes = ["single"]
reason = "the diagnosis is to find it"
"""


def test_one_thread_in_place_of_two_is_found_in_the_phase_that_it_slows_down(
    parity: Parity, write_config: WriteConfig
) -> None:
    # So high a ratio fails on any machine, however much it disturbs the runs.
    write_config(config_text(TABLES, tokens=128, min_ratio=1.5, rounds=8))
    done = parity("run", "case.toml", "--out", "run", timeout_s=300)
    assert done.verdicts()["speed"] == "FAIL", done.out
    [diagnosis] = done.report["diagnoses"]
    found = {finding["kind"]: finding for finding in diagnosis["findings"]}
    assert found["phase"]["sentence"].startswith("decoding accounts for the largest part of the difference")
    [cores] = [e for e in found["cores"]["evidence"] if e["what"] == "CPU cores used"]
    assert cores["implementation"] < 1.2 < cores["baseline"]
    assert "in decoding" in found["cores"]["sentence"]
    assert found["cores"]["decisive"]
    assert found["cores"]["note"] == "threads that compute, as reported: 1, and 2 in the baseline"
