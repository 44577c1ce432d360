"""The main job on two real runtimes and a real model: llama-cpp-python as the baseline, mlx-lm held against it."""

from pathlib import Path

import pytest
from runs import ANY_MACHINE, Parity

CONFIG = Path(__file__).parents[2] / "configs" / "quickstart.toml"
ROUNDS = 2
TOKENS = 60

pytestmark = [pytest.mark.slow, pytest.mark.alone]


def test_the_quickstart_fills_every_row_on_both_sides(parity: Parity, tmp_path: Path) -> None:
    text = CONFIG.read_text(encoding="utf-8").replace("[rounds]\nwarmup = 1", f"[rounds]\ncount = {ROUNDS}\nwarmup = 0")
    text = text.replace("max_tokens = 200", f"max_tokens = {TOKENS}")
    assert f"count = {ROUNDS}" in text
    assert f"max_tokens = {TOKENS}" in text
    (tmp_path / "quickstart.toml").write_text(text + ANY_MACHINE, encoding="utf-8")
    done = parity("run", "quickstart.toml", "--out", "run", timeout_s=1800)
    report = done.report
    assert [t["failure"] for t in report["trials"]] == [None] * (2 * 2 * ROUNDS)
    for metric in ("load_s", "prompt_tps", "gen_tps"):
        found = [s for s in report["summaries"] if s["metric"] == metric and s["provenance"] != "reported"]
        assert {(s["test"], s["runtime"]) for s in found if s["centre"] is not None} == {
            (test, runtime)
            for test in ("simple-math", "longer-generation")
            for runtime in ("llama-cpp-python", "mlx-lm")
        }
        ratios = [c for c in report["comparisons"] if c["metric"] == metric]
        assert all(c["ratio"] is not None and c["interval"] is not None for c in ratios), ratios
    prompts = {t["test"]: t["identity"]["prompt_ids_sha256"] for t in report["trials"]}
    assert all(t["identity"]["prompt_ids_sha256"] == prompts[t["test"]] for t in report["trials"])
    assert {t["identity"]["generated_tokens"] for t in report["trials"]} == {50, TOKENS}
    assert any("4" in t["text"] for t in report["trials"] if t["test"] == "simple-math")
    assert done.code == report["exit"]["code"]
    before = (done.run / "report.json").read_bytes()
    assert parity("score", "run").code == done.code
    assert (done.run / "report.json").read_bytes() == before
