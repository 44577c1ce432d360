"""A small, seeded run of the program that measures how often verdicts are wrong; its own table has many more runs."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "verdicts.py"
RUNS = 25


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verdicts", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["verdicts"] = module
    spec.loader.exec_module(module)
    return module


def shares(program: ModuleType, name: str, truth: float) -> dict[str, float]:
    [scenario] = [s for s in program.SCENARIOS if s.name == name]
    found = [program.ended(*program.gate_run(scenario, truth, f"test {k}")) for k in range(RUNS)]
    return {word: sum(verdict == word for verdict, _ in found) / RUNS for word in ("PASS", "FAIL")} | {
        "rounds": sorted(rounds for _, rounds in found)[RUNS // 2]
    }


def test_verdicts_are_right_and_early_where_the_truth_is_clear(program: ModuleType) -> None:
    slow, equal = (shares(program, "noise 5 %", truth) for truth in (0.70, 1.0))
    assert (slow["FAIL"], equal["PASS"]) == (1.0, 1.0)
    assert max(slow["rounds"], equal["rounds"]) <= 9


@pytest.mark.parametrize(
    "name",
    ["noise 10 %", "drift 30 %, linear over 20 rounds, noise 5 %", "bimodal 1.5× on one side, noise 2 %"],
)
def test_verdicts_close_to_a_bound_are_rarely_wrong(program: ModuleType, name: str) -> None:
    # At a rate of 2.5 %, four of 25 are wrong in fewer than 1 of 200 such tests; the runs are seeded.
    assert shares(program, name, 0.79)["PASS"] <= 3 / RUNS


def test_the_same_trials_in_sequence_are_judged_wrongly_under_drift(program: ModuleType) -> None:
    name = "in sequence: drift 30 %, linear over 20 rounds, noise 5 %"
    assert shares(program, name, 0.81)["FAIL"] > 0.5


def test_a_steady_runtime_passes_and_an_unsteady_one_fails_under_drift(program: ModuleType) -> None:
    _, drift = program.SPREADS[0]
    for cv, word in ((0.03, "PASS"), (0.30, "FAIL")):
        assert [program.ended(*program.spread_run(drift, cv, f"test {k}"))[0] for k in range(5)] == [word] * 5


@pytest.mark.parametrize("truth", [0.70, 0.81, 1.0])
def test_a_run_made_round_by_round_ends_where_its_verdict_says(program: ModuleType, truth: float) -> None:
    for k in range(5):
        config, trials = program.gate_run(program.SCENARIOS[2], truth, f"test {k}")
        assert program.round_by_round(config, trials) == program.ended(config, trials)[1]


def test_the_page_names_what_is_broken(program: ModuleType) -> None:
    counted = program.Counted(program.Counter({"PASS": 900, "FAIL": 1100}), program.Counter({20: 2000}))
    rows = [("gate", row, truth) for row in range(len(program.SCENARIOS)) for truth in program.TRUTHS]
    rows += [("spread", row, cv) for row in range(len(program.SPREADS)) for cv in (0.05, 0.20)]
    page = program.table(dict.fromkeys([*rows, ("family", 0, 1.0)], counted))
    assert "| noise 2 %: false PASS at 0.79 | 45.00% | **broken** | ≤ 2.5% |" in page
    assert "| rounds ÷ fixed twenty, at 0.70 and 1.0 with 2 and 5 % | 100.00% | **broken** | ≤ 50.0% |" in page
