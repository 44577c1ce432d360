"""A whole run with the exact arm, on the real llama.cpp, MLX and Candle."""

import json

import pytest
from all_engines import NEEDS_CARGO, config_of
from run_files import transcripts
from runs import Parity, WriteConfig

pytestmark = [pytest.mark.slow, NEEDS_CARGO]

CONFIG = config_of("synth://tiny-qwen3/Q8_0@5", tokens=20, gate_keys="truth = true")


def test_both_members_score_what_the_runtimes_score_and_count_for_nothing_else(
    parity: Parity, write_config: WriteConfig
) -> None:
    done = parity("run", write_config(CONFIG), "--out", "run", timeout_s=2400)
    report = done.report
    assert done.code == 0, done.out
    assert {found["verdict"] for found in report["outputs"]} <= {"IDENTICAL", "EQUIVALENT"}
    [exact] = json.loads((done.run / "prepared" / "exact.json").read_text(encoding="utf-8")).values()
    scored = report["score_trials"]
    assert [trial["failure"] for trial in scored] == [None] * len(scored)
    arm = {trial["runtime"]: trial["identity"] for trial in scored if trial["kind"] == "exact"}
    assert list(arm) == ["llama.cpp", "candle"]
    assert {identity["weights_sha256"] for identity in arm.values()} == {exact["sha256"]}
    assert {trial["identity"]["weights_sha256"] for trial in report["trials"]} == {report["models"][0]["sha256"]}
    ours, theirs = (arm[name]["settings"] for name in arm)
    assert (ours["kv_type"], ours["flash_attention"], ours["extra_buffers"]) == ("f32", "disabled", False)
    assert (ours["device"], theirs["device"]) == ("cpu", "cpu")
    assert (theirs["rope_table_dtype"], theirs["kv_cache_dtype"], theirs["matmul_F32"]) == ("f32", "f32", "f32")
    files = [name for name in transcripts(done.run) if "exact" in name]
    assert [name.partition("-")[2] for name in files] == [
        "tiny-t-llama.cpp-r1-exact-score.jsonl",
        "tiny-t-candle-r1-exact-score.jsonl",
    ]
    before = (done.run / "report.json").read_bytes()
    assert parity("score", "run").code == 0
    assert (done.run / "report.json").read_bytes() == before
