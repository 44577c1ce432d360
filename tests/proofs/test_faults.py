"""The tables of `proofs/faults.py` in docs/mutants.md: all mutants, as they were fixed, and none that passed though it
is large. `tests/adapters/test_mutants.py` runs a part of them."""

import re
from pathlib import Path
from typing import get_args

import pytest
from judged import CAUGHT, ENOUGH, SOURCES
from mutants import MUTANTS, Class

PAGE = Path(__file__).parents[2] / "docs" / "mutants.md"
REAL = "SmolLM2 135M, Q4_1"
SYNTHETIC = [case for case in SOURCES if case != REAL]
HEADINGS = ["Mutant", "class", "fault", "size", "floors", "verdict", "rung", "same engine", "or shown by"]


def rows(case: str) -> list[dict[str, str]]:
    """The table under the heading of a case."""
    section = re.search(rf"^## {re.escape(case)}\n(.*?)(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.S | re.M)
    assert section is not None, f"{PAGE} has no tables of {case}"
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section[1].splitlines() if line[:1] == "|"
    ]
    assert cells[0] == HEADINGS
    return [dict(zip(HEADINGS, line, strict=True)) for line in cells[2:]]


def floors(row: dict[str, str]) -> float:
    return float("inf") if row["floors"] == "any" else float(row["floors"])


@pytest.mark.parametrize("case", SOURCES)
def test_the_page_lists_every_mutant_with_its_magnitude(case: str) -> None:
    architecture, quantised = "qwen3" if "Qwen3" in case else "llama", "F32" not in case
    fitting = [(m.name, m.kind, m.size) for m in MUTANTS if m.fits(architecture, quantised=quantised)]
    assert [(row["Mutant"], row["class"], row["fault"]) for row in rows(case)] == fitting
    assert len(fitting) >= 24


@pytest.mark.parametrize("case", SOURCES)
def test_no_mutant_above_three_floors_passed_and_the_others_are_shown_otherwise(case: str) -> None:
    for row in rows(case):
        assert row["verdict"] in CAUGHT or floors(row) <= ENOUGH, row
        assert row["verdict"] in CAUGHT or row["or shown by"], row
        assert row["verdict"] not in CAUGHT or row["rung"], row


@pytest.mark.parametrize("kind", get_args(Class))
@pytest.mark.parametrize("cases", [[REAL], SYNTHETIC], ids=["real", "synthetic"])
def test_two_mutants_of_each_class_are_caught(cases: list[str], kind: str) -> None:
    table = [row for case in cases for row in rows(case)]
    assert len({row["Mutant"] for row in table if row["class"] == kind and row["verdict"] in CAUGHT}) >= 2
