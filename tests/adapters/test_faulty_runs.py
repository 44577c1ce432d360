"""Whole runs of parity in which a real runtime has a fault while the config says that it is the same."""

import sys
from pathlib import Path
from typing import get_args

import pytest
from driving import FAULTY
from judged import case_of
from mutants import MUTANTS, Class
from runs import ANY_MACHINE, MODEL, Parity, WriteConfig

from parity.models import parse_source, silent

pytestmark = pytest.mark.slow

ONE_OF_EACH_CLASS = {
    "layer-skipped": "greedy",
    "rope-base": "scores",
    "cache-hole": "greedy",
    "bos-added": "prompt",
    "temperature-twice": "scores",
    "token-doubled": "greedy",
}
"""Mutant → the rung that names it."""


def faulty_python(path: Path, fault: str, file: Path | None = None) -> Path:
    """An interpreter in which llama-cpp-python has a fault; of a faulty file, it loads that whatever is asked for."""
    lines = [f"export PYTHONPATH='{FAULTY}' LLAMA_FAULT='{fault}' LLAMA_FAULT_FILE='{file or ''}'"]
    path.write_text("\n".join(["#!/bin/sh", *lines, f"exec '{sys.executable}' \"$@\""]) + "\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def config(model: str | Path, runtimes: str, rounds: int, tokens: int = 24) -> str:
    return f"""
baseline = "llama.cpp"

[[models]]
name = "m"
source = "{model}"

[[tests]]
name = "t"
prompt = "Explain why the sky is blue."
max_tokens = {tokens}

{runtime("llama.cpp", Path(sys.executable))}
{runtimes}
[rounds]
fixed = {rounds}
warmup = 0
{ANY_MACHINE}
[[gates]]
name = "same-answers"
kind = "outputs"

[[gates]]
name = "speed"
kind = "ratio"
metric = "gen_tps"
min_ratio = 1.2
"""


def runtime(name: str, python: Path) -> str:
    return f"""
[runtimes."{name}"]
adapter = "llama_cpp"
python = "{python}"
threads = 1
batch = 8
ubatch = 8
kv_type = "f32"
prove = false
"""


def test_the_mutants_are_of_each_class() -> None:
    kinds = [mutant.kind for mutant in MUTANTS if mutant.name in ONE_OF_EACH_CLASS]
    assert sorted(kinds) == sorted(set(get_args(Class)))


@pytest.mark.parametrize("name", ONE_OF_EACH_CLASS)
def test_a_fault_of_each_class_fails_the_gate_and_takes_the_speed_with_it(
    parity: Parity, write_config: WriteConfig, tmp_path: Path, name: str
) -> None:
    [mutant] = [mutant for mutant in MUTANTS if mutant.name == name]
    case = case_of("tiny Qwen3, F32", tmp_path / "original")
    file = mutant.write(case.path, tmp_path / "mutant.gguf") if mutant.fault is None else None
    other = runtime("other", faulty_python(tmp_path / "python", mutant.fault or "file", file))
    done = parity("run", write_config(config(case.path, other, 1)), "--out", "run", timeout_s=600)
    [found] = done.report["outputs"]
    assert done.verdicts() == {"same-answers": "FAIL", "speed": "NOT COMPARABLE"}, found["sentence"]
    assert done.code == 1
    assert next(rung["name"] for rung in found["rungs"] if rung["state"] == "differs") == ONE_OF_EACH_CLASS[name]


def test_a_runtime_that_is_twice_as_fast_and_wrong_gets_no_speed_and_exit_code_1(
    parity: Parity, write_config: WriteConfig, tmp_path: Path
) -> None:
    [mutant] = [mutant for mutant in MUTANTS if mutant.name == "layers-halved"]
    file = mutant.write(parse_source(MODEL, Path()).fetch(silent), tmp_path / "half.gguf")
    fast = runtime("fast", faulty_python(tmp_path / "fast", "file", file))
    done = parity("run", write_config(config(MODEL, fast, 5)), "--out", "run", timeout_s=600)
    rates = {
        name: sorted(
            m["value"] for trial in done.trials(name) for m in trial["measurements"] if m["metric"] == "gen_tps"
        )
        for name in ("llama.cpp", "fast")
    }
    assert rates["fast"][len(rates["fast"]) // 2] > 1.3 * rates["llama.cpp"][len(rates["llama.cpp"]) // 2]
    assert done.verdicts() == {"same-answers": "FAIL", "speed": "NOT COMPARABLE"}
    [found] = done.report["outputs"]
    assert found["verdict"] in ("WRONG", "DRIFT")
    assert done.code == 1
