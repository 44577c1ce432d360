"""Counts what the tests of faults tried and what held, and prints both at the end."""

from collections.abc import Generator

import pytest

TRIED: dict[str, bool] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if "faults" in item.path.parts and (report.when == "call" or report.failed):
        TRIED[item.nodeid] = report.passed and TRIED.get(item.nodeid, True)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TRIED:
        terminalreporter.write_line(f"faults: tried {len(TRIED)}, held {sum(TRIED.values())}")
