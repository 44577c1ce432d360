"""The owner's gates on scripted runtimes of known speed, which stamp their tokens: the exit code that is true of each.

The same table on real processes, which show only their text, is in `test_known_speeds.py`."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from scripted_host import Program, Script, config, table

from parity.transcript import Head

OWNERS = Path(__file__).parents[2] / "configs" / "qwen3.toml"
TOKEN_MS = 5.0
ALIKE = {"device": "cpu", "threads": 2, "build_profile": "release", "prefix_cache": False}
"""What both sides report of themselves."""


def owners_gates() -> str:
    """The gates of `configs/qwen3.toml`, on the device that scripted runtimes name."""
    gates = "\n".join(re.findall(r"(?m)^\[\[gates\]\]\n(?:.+\n)+", OWNERS.read_text(encoding="utf-8")))
    assert gates.count("[[gates]]") == 8
    return gates.replace("paraphym", "other").replace("${GPU:-metal}", "cpu")


@dataclass(frozen=True)
class Case:
    """`speed`: the rate as a share of the baseline's. `fault`: of every trial. `verdicts`: gate → verdict."""

    code: int
    speed: float = 1.0
    fault: str | None = None
    settings: dict[str, str] = field(default_factory=dict)
    verdicts: dict[str, str] = field(default_factory=dict)


CASES = {
    "0.70": Case(1, 0.70, verdicts={"within-20-percent": "FAIL", "no-hangs": "PASS", "consistent": "PASS"}),
    "0.79": Case(1, 0.79, verdicts={"within-20-percent": "FAIL", "no-hangs": "PASS", "consistent": "PASS"}),
    "0.81": Case(0, 0.81, verdicts={"within-20-percent": "PASS", "pool-overhead": "FAIL"}),
    "1.0": Case(0, verdicts={"within-20-percent": "PASS", "pool-overhead": "PASS"}),
    "hang-after-the-answer": Case(1, fault="hang-after", verdicts={"no-hangs": "FAIL"}),
    "silent": Case(1, fault="silent", verdicts={"no-hangs": "FAIL", "within-20-percent": "NOT RUN"}),
    # Stamps that were all taken at the end prove no rate, and a program that stamps has no second way to be measured.
    "burst-at-the-end": Case(3, fault="burst", verdicts={"within-20-percent": "NOT COMPARABLE", "no-hangs": "PASS"}),
    "other-weights": Case(
        3,
        settings={"weights_file": "other.gguf"},
        verdicts={"within-20-percent": "NOT COMPARABLE", "no-hangs": "NOT COMPARABLE"},
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_program_of_known_speed_gives_the_exit_code_that_is_true(program: Program, case: Case) -> None:
    def fault(head: Head) -> str | None:
        return case.fault if head.purpose == "trial" else None

    (program.folder / "other.gguf").write_bytes(b"other weights")
    settings = {key: str(program.folder / value) for key, value in case.settings.items()}
    base = Script(token_ms=TOKEN_MS, settings=lambda head: ALIKE)
    other = Script(token_ms=TOKEN_MS / case.speed, fault=fault, settings=lambda head: {**ALIKE, **settings})
    text = config(table("base") + table("other"), rounds=20, gates=owners_gates())
    text = text.replace("max_tokens = 12", "max_tokens = 50").replace("count = 20\n", "")
    done = program("run", program.write(text), "--out", "run", host=program.host(base=base, other=other))
    verdicts = {v["gate"]: v["verdict"] for v in program.report()["verdicts"]}
    assert {gate: verdicts[gate] for gate in case.verdicts} == case.verdicts, done.out
    assert done.code == case.code, done.out
