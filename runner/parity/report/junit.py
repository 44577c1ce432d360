"""JUnit XML: each verdict is a test case, for the many programs that show results of tests."""

import re
from collections.abc import Sequence
from itertools import groupby
from xml.etree import ElementTree as Xml

from parity.records import Exit, Report, Verdict
from parity.redaction import known, mask_of
from parity.report.outcomes import Outcome, is_told_by, outcome_of
from parity.visible import printable

_ELEMENTS: dict[Outcome, str] = {"failed": "failure", "error": "error", "skipped": "skipped"}

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_junit(report: Report, exit: Exit | None = None) -> str:
    """A suite for each model and test, whose cases are the gates by runtime, and the case `exit code` in a suite of its
    own. `exit`: that of the command, where an option makes it a different one than the report's."""
    exit = exit or report.exit
    root = Xml.Element("testsuites", name="parity")
    cases: list[Outcome] = []
    for (model, test), found in groupby(
        sorted(report.verdicts, key=lambda v: (v.model, v.test)), key=lambda v: (v.model, v.test)
    ):
        verdicts = list(found)
        outcomes = [outcome_of(verdict, exit) for verdict in verdicts]
        suite = _suite(root, report, f"{model}/{test}", outcomes)
        for verdict, outcome in zip(verdicts, outcomes, strict=True):
            _case(suite, verdict, outcome)
        cases += outcomes
    end: Outcome = "error" if not is_told_by(cases, exit) else "passed" if exit.code == 0 else "skipped"
    suite = _suite(root, report, "run", [end])
    case = Xml.SubElement(suite, "testcase", name="exit code", classname="run")
    _tell(case, end, f"exit code {exit.code}", exit.reason)
    _count(root, [*cases, end])
    Xml.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{Xml.tostring(root, encoding="unicode")}\n'


def _suite(root: Xml.Element, report: Report, name: str, outcomes: Sequence[Outcome]) -> Xml.Element:
    # The schema's time of day has no zone; it is UTC.
    started = report.started.removesuffix("Z")
    suite = Xml.SubElement(root, "testsuite", name=_plain(name), timestamp=_plain(started))
    _count(suite, outcomes)
    suite.set("skipped", str(outcomes.count("skipped")))
    properties = Xml.SubElement(suite, "properties")
    for key, value in (
        ("run", report.run),
        ("config", report.name),
        ("baseline", report.baseline),
        ("parity", report.parity_version),
        ("options", " ".join(report.options)),
        ("not selected", ", ".join(report.not_selected)),
        ("gates chosen after the run, from", report.gates_from or ""),
    ):
        if value:
            Xml.SubElement(properties, "property", name=key, value=_plain(value))
    return suite


def _count(element: Xml.Element, outcomes: Sequence[Outcome]) -> None:
    element.set("tests", str(len(outcomes)))
    element.set("failures", str(outcomes.count("failed")))
    element.set("errors", str(outcomes.count("error")))


def _case(suite: Xml.Element, verdict: Verdict, outcome: Outcome) -> None:
    cell = f"{verdict.model}/{verdict.test}/{verdict.runtime}"
    case = Xml.SubElement(suite, "testcase", name=_plain(verdict.gate), classname=_plain(cell))
    label = verdict.verdict if verdict.required else f"{verdict.verdict} (advice)"
    _tell(case, outcome, label, verdict.sentence)


def _tell(case: Xml.Element, outcome: Outcome, kind: str, text: str) -> None:
    if outcome == "passed":
        Xml.SubElement(case, "system-out").text = _plain(f"{kind}: {text}")
    else:
        Xml.SubElement(case, _ELEMENTS[outcome], type=kind, message=_plain(f"{kind}: {text}"))


def _plain(text: str) -> str:
    """Without secrets, which XML would write in a form of its own, and without what no XML document may hold."""
    return _NOT_XML.sub("\ufffd", printable(mask_of(known()).text(text)))
