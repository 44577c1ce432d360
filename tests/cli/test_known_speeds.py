"""The owner's job on stand-ins of known speed: the exit code that follows from what each of them does.

Both sides are the stand-in, whose speed is its pauses. `GPU` is cpu and the stand-in names that as its device, so that
the gates of `configs/qwen3.toml` that apply on one device are judged too."""

from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

import pytest
from owners_job import StandIn, owners_job, run
from runs import Done

pytestmark = [pytest.mark.slow, pytest.mark.alone]

QUICK = {"LOAD_MS": 20, "SECOND_MODEL_MS": 20, "PREFILL_MS": 20, "STREAMED": 1, "AFTER": "finish"}
COARSE_MS, EXACT_MS = 2.0, 8.0
"""The baseline's pause between two tokens. Near the bound of 0.8 it is long, so that a late wake-up is a small part."""


@dataclass(frozen=True)
class Case:
    """A port, by what it does otherwise than the baseline. `speed`: its generation rate as a share of the baseline's.
    `verdicts`: gate → what it must come to."""

    code: int
    speed: float = 1.0
    token_ms: float = COARSE_MS
    plays: dict[str, str | int] = field(default_factory=dict)
    verdicts: dict[str, str] = field(default_factory=dict)


MOST_BUSY = 0.5
"""Cores that other programs may use on average before a speed close to a bound may be left open."""

CASES = {
    "0.70": Case(1, speed=0.70, verdicts={"within-20-percent": "FAIL", "no-hangs": "PASS"}),
    "0.79": Case(1, speed=0.79, token_ms=EXACT_MS, verdicts={"within-20-percent": "FAIL", "no-hangs": "PASS"}),
    "0.81": Case(0, speed=0.81, token_ms=EXACT_MS, verdicts={"within-20-percent": "PASS", "pool-overhead": "FAIL"}),
    "1.0": Case(0, verdicts={"within-20-percent": "PASS", "pool-overhead": "PASS"}),
    "hang-after-the-answer": Case(
        1, plays={"AFTER": "deadlock"}, verdicts={"no-hangs": "FAIL", "within-20-percent": "PASS"}
    ),
    # It ran and answered nothing: that is a failure of the port, and not one of the setup.
    "silent": Case(1, plays={"PLAY": "silent"}, verdicts={"no-hangs": "FAIL", "within-20-percent": "NOT RUN"}),
    "burst-at-the-end": Case(0, plays={"STREAMED": 0}, verdicts={"within-20-percent": "PASS"}),
    "slow-burst-at-the-end": Case(1, speed=0.70, plays={"STREAMED": 0}, verdicts={"within-20-percent": "FAIL"}),
}


def busy(done: Done) -> float:
    """Cores that other programs used during trials, on average."""
    return mean(t["conditions"]["others_cpu"] for t in done.report["trials"])


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_port_of_known_speed_gives_the_exit_code_that_is_true(stand_in: StandIn, tmp_path: Path, case: Case) -> None:
    baseline = stand_in.table(**QUICK, TOKEN_MS=case.token_ms)
    port = stand_in.table(**QUICK | {"TOKEN_MS": case.token_ms / case.speed} | case.plays)
    done = run(tmp_path, owners_job(port, baseline=baseline, limits="stall_s = 4\n"))
    found = [(v["gate"], v["verdict"]) for v in done.report["verdicts"]]
    undecided = []
    for gate, expected in case.verdicts.items():
        verdicts = {verdict for name, verdict in found if name == gate}
        # A machine that is busy meanwhile may leave a test open, and never turns a verdict round.
        assert not verdicts & ({"PASS", "FAIL"} - {expected}), done.out
        if expected not in verdicts:
            undecided.append(gate)
            assert verdicts == {"INCONCLUSIVE"}, done.out
    if undecided:
        assert busy(done) > MOST_BUSY, done.out
        pytest.skip(f"other programs used {busy(done):.1f} cores meanwhile, which leaves open: {', '.join(undecided)}")
    assert done.code == case.code, done.out


def test_a_port_that_loads_other_weights_is_not_compared(stand_in: StandIn, tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(stand_in.model.read_bytes() + b"\0")
    port = stand_in.table(**QUICK, TOKEN_MS=COARSE_MS, MODEL=other)
    done = run(tmp_path, owners_job(port, baseline=stand_in.table(**QUICK, TOKEN_MS=COARSE_MS)))
    verdicts = {v["gate"]: v["verdict"] for v in done.report["verdicts"]}
    assert verdicts["within-20-percent"] == "NOT COMPARABLE", done.out
    assert done.code == 3, done.out
