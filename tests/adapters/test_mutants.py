"""Faults of known size, each run in a real runtime that is said to run the original: which verdict on outputs they get.

The size of each is measured by a forward pass in f64, and not by what judges it. `proofs/faults.py` runs all of them on
all models; its tables are in docs/mutants.md.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from driving import Driver
from judged import ENOUGH, SOURCES, Bench, case_of
from mutants import MUTANTS

pytestmark = pytest.mark.slow

TINY, REAL = "tiny Qwen3, F32", "SmolLM2 135M, Q4_1"
OF_REAL = ("layer-skipped", "rows-swapped", "token-dropped")
"""A few that show that the same holds for a real model."""

OpenBench = Callable[[str], Bench]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> OpenBench:
    """A case with what its honest sides answered, which is asked once."""
    folder = tmp_path_factory.mktemp("mutants")
    opened: dict[str, Bench] = {}

    def of(name: str) -> Bench:
        if name not in opened:
            place = folder / str(len(opened))
            opened[name] = Bench(Driver(place), case_of(name, place))
        return opened[name]

    return of


@pytest.mark.parametrize("name", [mutant.name for mutant in MUTANTS if mutant.fits("qwen3", quantised=False)])
def test_no_fault_above_three_floors_is_taken_for_a_good_run_of_a_tiny_model(bench: OpenBench, name: str) -> None:
    [mutant] = [mutant for mutant in MUTANTS if mutant.name == name]
    found = bench(TINY).outcome(mutant)
    assert not found.missed, f"{found.size}: {found.found}"
    # What the judge sees of a fault that f64 does not see would be a fault of this test.
    assert found.size.floors > 0 or found.found.kind in ("IDENTICAL", "EQUIVALENT", "UNPROVEN")


@pytest.mark.parametrize("name", OF_REAL)
def test_large_faults_of_a_real_model_are_caught(bench: OpenBench, name: str) -> None:
    [mutant] = [mutant for mutant in MUTANTS if mutant.name == name]
    found = bench(REAL).outcome(mutant)
    assert found.size.floors > ENOUGH
    assert found.found.caught, found.found.sentence


def test_the_original_passes_beside_a_different_engine_and_is_identical_beside_itself(bench: OpenBench) -> None:
    found, alike = bench(TINY).honest
    assert found.kind == "EQUIVALENT", found.sentence
    assert alike.kind == "IDENTICAL", alike.sentence


def test_all_cases_have_a_model(tmp_path: Path) -> None:
    assert {case_of(name, tmp_path / str(k)).architecture for k, name in enumerate(SOURCES)} == {"llama", "qwen3"}
