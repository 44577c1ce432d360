"""Each kind of run in each format, as a person sees it."""

from collections.abc import Callable

import pytest

from parity.records import Report
from parity.report import FORMATS, terminal_brief

SUFFIXES = {"table": ".txt", "markdown": ".md", "page": ".page.md"}


@pytest.mark.parametrize("kind", sorted(SUFFIXES))
def test_report_is_as_its_golden_file(
    scenario: tuple[str, Report], kind: str, golden: Callable[[str, str], None]
) -> None:
    name, report = scenario
    golden(f"{name}{SUFFIXES[kind]}", FORMATS[kind](report))


def test_the_end_of_a_run_is_as_its_golden_file(
    scenario: tuple[str, Report], golden: Callable[[str, str], None]
) -> None:
    name, report = scenario
    golden(f"{name}.brief.txt", terminal_brief(report))
