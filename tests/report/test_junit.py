"""JUnit XML and what GitHub Actions shows: in step with the exit code, whatever the names and sentences hold."""

import itertools
from collections.abc import Callable
from typing import get_args
from xml.etree import ElementTree as Xml

import pytest

from parity.judging.exit import passing
from parity.records import Exit, Report, VerdictKind
from parity.report import annotations, render_junit, step_summary
from parity.report.github import MOST_ANNOTATIONS, MOST_SUMMARY_BYTES
from parity.report.index import Index

Build = Callable[..., Report]

CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase"},
    "properties": {"property"},
    "testcase": {"failure", "error", "skipped", "system-out"},
}
"""What the schema of Jenkins lets stand within what, of the elements that are used."""
NEEDED = {
    "testsuite": {"name", "tests", "failures", "errors"},
    "testcase": {"name"},
    "property": {"name", "value"},
}
ALLOWED = {
    "testsuites": {"name", "tests", "failures", "errors"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "timestamp"},
    "testcase": {"name", "classname"},
    "property": {"name", "value"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"type", "message"},
}


def parsed(report: Report, exit: Exit | None = None) -> Xml.Element:
    root = Xml.fromstring(render_junit(report, exit).encode())
    assert root.tag == "testsuites"
    for element in root.iter():
        assert {child.tag for child in element} <= CHILDREN.get(element.tag, set())
        assert NEEDED.get(element.tag, set()) <= set(element.attrib) <= ALLOWED.get(element.tag, set())
    for group in (root, *root.iter("testsuite")):
        cases = list(group.iter("testcase"))
        assert int(group.get("tests", "")) == len(cases)
        assert int(group.get("failures", "")) == len(list(group.iter("failure")))
        assert int(group.get("errors", "")) == len(list(group.iter("error")))
    return root


def outcomes(root: Xml.Element) -> dict[str, str]:
    """Gate → what its case came to."""
    return {
        case.get("name", ""): next((child.tag for child in case if child.tag != "system-out"), "passed")
        for case in root.iter("testcase")
    }


def case_of(build: Build, kind: VerdictKind, code: int, *, required: bool, fell_away: bool = False) -> Report:
    report = build(code=code)
    verdict = report.verdicts[0].but(verdict=kind, required=required, fell_away=fell_away)
    return report.but(verdicts=(verdict,))


@pytest.mark.parametrize(
    ("kind", "required", "code", "outcome"),
    [
        ("PASS", True, 0, "passed"),
        ("FAIL", True, 1, "failure"),
        ("FAIL", False, 0, "skipped"),
        ("NOT RUN", True, 4, "error"),
        ("NOT RUN", False, 0, "skipped"),
        ("INCONCLUSIVE", True, 3, "error"),
        ("NOT COMPARABLE", True, 3, "error"),
        ("NOT APPLICABLE", True, 4, "skipped"),
    ],
)
def test_a_gate_is_a_case_that_is_as_the_exit_code_has_it(
    build_report: Build, kind: VerdictKind, required: bool, code: int, outcome: str
) -> None:
    report = case_of(build_report, kind, code, required=required)
    found = outcomes(parsed(report))
    assert found.pop(report.verdicts[0].gate) == outcome
    assert found == {"exit code": {0: "passed", 4: "error"}.get(code, "skipped")}


def test_a_gate_that_ran_on_a_different_device_is_an_error(build_report: Build) -> None:
    report = case_of(build_report, "NOT APPLICABLE", 4, required=True, fell_away=True)
    assert outcomes(parsed(report))[report.verdicts[0].gate] == "error"


def test_an_undecided_gate_that_may_be_so_is_skipped(build_report: Build) -> None:
    report = case_of(build_report, "INCONCLUSIVE", 3, required=True)
    assert set(outcomes(parsed(report, passing(report))).values()) == {"skipped", "passed"}
    assert annotations(report, passing(report))[0].startswith("::warning ")


@pytest.mark.parametrize(
    ("kind", "code", "required"),
    list(itertools.product(get_args(VerdictKind), (0, 1, 3, 4, 5, 74, 130), (True, False))),
)
def test_something_is_red_exactly_if_the_exit_code_is_not_0(
    build_report: Build, kind: VerdictKind, code: int, required: bool
) -> None:
    report = case_of(build_report, kind, code, required=required)
    root = parsed(report)
    assert (root.get("failures") != "0" or root.get("errors") != "0") is (code != 0)
    assert any(line.startswith("::error ") for line in annotations(report, report.exit)) is (code != 0)


def test_every_scenario_is_good_xml_with_each_verdict(scenario: tuple[str, Report]) -> None:
    _, report = scenario
    root = parsed(report)
    assert len(list(root.iter("testcase"))) == len(report.verdicts) + 1
    text = " ".join([*(e.get("message", "") for e in root.iter()), *(e.text or "" for e in root.iter())])
    for verdict in report.verdicts:
        assert " ".join(verdict.sentence.split()) in " ".join(text.split())
    summary = step_summary(report, report.exit)
    for workload in Index(report).workloads:
        assert workload.title in summary
    assert f"**Exit code {report.exit.code}**" in summary


HOSTILE = "a\x00b\ufffe]]><x>&\x0b::stop-commands::x\u2028::y\n::error title=mine::no\r%0A, : | `<script>`"


def test_foreign_text_breaks_neither_xml_nor_commands_nor_tables(build_report: Build) -> None:
    report = case_of(build_report, "FAIL", 1, required=True)
    report = report.but(name=HOSTILE, verdicts=(report.verdicts[0].but(sentence=HOSTILE),))
    assert "]]><x>&" in (next(parsed(report).iter("failure")).get("message") or "")
    [line] = annotations(report, report.exit)
    assert "\n" not in line
    assert "\r" not in line
    assert line.startswith("::error title=FAIL%3A generation-parity::")
    assert "%250A" in line
    assert line.splitlines() == [line]
    assert not any(line.lstrip().startswith("::") for line in step_summary(report, report.exit).splitlines())
    assert "<script>" not in step_summary(report, report.exit).replace("\\<", "")


def test_what_was_chosen_by_options_or_after_the_run_is_said(build_report: Build) -> None:
    report = case_of(build_report, "PASS", 0, required=True)
    assert properties(report).keys() == {"run", "config", "baseline", "parity"}
    assert annotations(report, report.exit) == []
    chosen = report.but(options=("--only a",), not_selected=("b",), gates_from="lax.toml")
    assert properties(chosen)["options"] == "--only a"
    assert properties(chosen)["not selected"] == "b"
    assert properties(chosen)["gates chosen after the run, from"] == "lax.toml"
    [line] = annotations(chosen, chosen.exit)
    assert line == "::notice title=parity::judged by gates chosen after the run, from lax.toml"


def properties(report: Report) -> dict[str | None, str | None]:
    return {found.get("name"): found.get("value") for found in parsed(report).iter("property")}


def test_many_verdicts_leave_the_worst_and_their_number(build_report: Build) -> None:
    report = case_of(build_report, "FAIL", 1, required=True)
    many = tuple(report.verdicts[0].but(gate=f"g{k}", sentence="x" * 20_000) for k in range(100))
    found = annotations(report.but(verdicts=many), report.exit)
    assert len(found) == MOST_ANNOTATIONS
    assert found[-1].endswith(f"::{100 - MOST_ANNOTATIONS + 1} more verdicts are in the summary")
    assert len(step_summary(report.but(verdicts=many), report.exit).encode()) <= MOST_SUMMARY_BYTES
