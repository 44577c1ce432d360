"""Tokens that a program makes of its text afterwards are told from tokens that a runtime shows as they come."""

import json
import sys
from pathlib import Path

import pytest
from runs import Parity, WriteConfig, config_text

PROGRAM = Path(__file__).parent.parent / "scripted" / "afterwards.py"


def runtime(name: str, way: str) -> str:
    args = json.dumps([str(PROGRAM), "{scratch}/job.json", way])
    keys = f'adapter = "command"\nprogram = "{sys.executable}"\nargs = {args}\nevents = true\nprove = false'
    return f"\n[runtimes.{name}]\n{keys}\n"


@pytest.mark.slow
def test_a_rate_is_compared_only_where_tokens_came_when_they_are_stamped(
    parity: Parity, write_config: WriteConfig
) -> None:
    runtimes = "".join(
        runtime("base" if way == "single" else way, way) for way in ("single", "held", "saved", "pieces")
    )
    done = parity("run", write_config(config_text(runtimes, rounds=5, tokens=30)), "--out", "run")
    assert done.code == 3, done.out + done.err
    rates = {c["runtime"]: c for c in done.report["comparisons"] if c["metric"] == "gen_tps"}
    assert rates["held"]["ratio"] == pytest.approx(1.0, abs=0.5)
    assert "its token 1 arrived" in rates["saved"]["reason"]
    assert "its 30 tokens are stamped in 10 groups" in rates["pieces"]["reason"]
    for metric in ("ttft_s", "total_s", "itl_p50_s", "gen_late_tps", "prompt_tps"):
        compared = {c["runtime"]: c["comparable"] for c in done.report["comparisons"] if c["metric"] == metric}
        assert (compared["saved"], compared["pieces"]) == (False, False), metric
