"""Which branch of the page's analysis the verdicts select, the lines of that branch, and the success criteria."""

from collections.abc import Iterable, Iterator
from typing import Literal

from parity.records import Claim, Diagnosis, RuntimeReport, Verdict
from parity.report.diagnosis import summary_of, text_of
from parity.report.identity import beside
from parity.report.index import Index, worst
from parity.report.markdown import harmless
from parity.report.view import Line, Markdown, Tick

Branch = Literal["matching", "slower", "undecided"]

HEADINGS: dict[Branch, str] = {
    "matching": "If Matching Baseline (EXPECTED)",
    "slower": "If Slower Than Baseline",
    "undecided": "If Undecided",
}

_NO_PROFILER = "what the processes do within a phase (no profiler was attached)"

_TICKS: dict[str, Tick] = {"PASS": "passed", "FAIL": "failed"}


def branch_of(index: Index, implementation: RuntimeReport) -> Branch:
    """`matching`: every required gate on it passed, one that compares the two sides among them, and the run was not
    interrupted. `slower`: a required speed gate on it failed on the slow side. Anything else is undecided."""
    if _slow(index, implementation):
        return "slower"
    return "undecided" if _missing(index, implementation) else "matching"


def analysis_lines(index: Index, implementation: RuntimeReport) -> list[Line]:
    """The lines of the branch that the verdicts select."""
    match branch_of(index, implementation):
        case "matching":
            return list(_matching(index, implementation))
        case "slower":
            return list(_slower(index, implementation))
        case "undecided":
            return [Line(line) for line in _missing(index, implementation)]


def criteria(index: Index, implementation: RuntimeReport) -> list[Line]:
    """One line a gate over its cells: ticked only where all that apply passed."""
    lines = []
    for gate, verdicts in _gates(index, implementation).items():
        verdict = worst(verdicts) or "NOT RUN"
        advice = "" if any(entry.required for entry in verdicts) else " (advice)"
        text = f"{gate}{advice}: {verdict}: {_sentences(index, verdicts)}"
        lines.append(Line(text, _TICKS.get(verdict, "open")))
    return lines or [Line("no gate was judged", "open")]


def as_written(text: str) -> Markdown:
    """A line of the config's own Markdown, kept to one line, in which nothing acts on a terminal or a browser."""
    return harmless(" ".join(text.split()))


def _gates(index: Index, implementation: RuntimeReport) -> dict[str, list[Verdict]]:
    """Gate → its verdicts on this implementation, in the report's order."""
    gates: dict[str, list[Verdict]] = {}
    for verdict in index.verdicts_of(implementation.name):
        gates.setdefault(verdict.gate, []).append(verdict)
    return gates


def _sentences(index: Index, verdicts: Iterable[Verdict]) -> str:
    """The sentences of one gate's cells, each under its test where there are several."""
    of_cells = list(verdicts)
    if len(of_cells) == 1:
        return beside(of_cells[0])
    return "; ".join(f"{_where(index, verdict)}: {beside(verdict)}" for verdict in of_cells)


def _where(index: Index, verdict: Verdict) -> str:
    return index.test_title(verdict.model, verdict.test)


def _required(index: Index, implementation: RuntimeReport) -> list[Verdict]:
    """Those that count: `NOT APPLICABLE` does not, unless the device was a different one than the gate's."""
    return [
        v
        for v in index.verdicts_of(implementation.name)
        if v.required and (v.verdict != "NOT APPLICABLE" or v.fell_away)
    ]


def _slow(index: Index, implementation: RuntimeReport) -> list[Verdict]:
    return [verdict for verdict in _required(index, implementation) if verdict.failed_side == "slow"]


def _missing(index: Index, implementation: RuntimeReport) -> list[str]:
    """What keeps the verdicts from saying that the implementation matches; empty where they do."""
    report = index.report
    required = _required(index, implementation)
    lines = [
        f"{verdict.gate} is {verdict.verdict} on {_where(index, verdict)}: {verdict.sentence}"
        for verdict in required
        if verdict.verdict != "PASS"
    ]
    if report.interrupted:
        lines.append("The run was interrupted before its last round")
    elif report.exit.code != 0 and not lines:
        lines.append(f"The run exited with {report.exit.code}: {report.exit.reason}")
    if implementation.status != "ready":
        reason = f": {implementation.reason}" if implementation.reason else ""
        remedy = f" (to fix: {implementation.remedy})" if implementation.remedy else ""
        lines.append(f"{implementation.title} is {implementation.status}{reason}{remedy}")
    if not any(verdict.compares for verdict in required):
        lines.append(f"No required gate compares {implementation.title} with {index.baseline.title}")
    return lines


def _matching(index: Index, implementation: RuntimeReport) -> Iterator[Line]:
    page = index.report.page
    gates = _gates(index, implementation)
    yield from (_claim(claim, gates) for claim in page.matching)
    if page.conclusion:
        yield Line(as_written(page.conclusion))
    elif not page.matching:
        yield Line("Every required gate passed")


def _claim(claim: Claim, gates: dict[str, list[Verdict]]) -> Line:
    text = as_written(claim.text)
    if not claim.gates:
        return Line(text, "open", "not measured")
    reasons = []
    for gate in claim.gates:
        verdict = worst(gates.get(gate, []))
        if verdict != "PASS":
            reasons.append(f"{gate} is {verdict}" if verdict else f"{gate} was not judged")
    return Line(text, "open", "; ".join(reasons)) if reasons else Line(text, "passed")


def _slower(index: Index, implementation: RuntimeReport) -> Iterator[Line]:
    slow = _slow(index, implementation)
    baseline = index.baseline
    unknown: dict[str, list[str]] = {}
    for verdict in slow:
        yield Line(f"{verdict.gate} on {_where(index, verdict)}: {verdict.sentence}")
    failed_on = {(verdict.model, verdict.test) for verdict in slow}
    for workload in index.workloads:
        if (workload.model.name, workload.test.name) in failed_on:
            diagnosis = index.diagnosis(workload, implementation.name)
            if diagnosis is not None:
                yield from _diagnosed(index, diagnosis, workload.title)
                for what in diagnosis.unknown:
                    unknown.setdefault(what, []).append(workload.title)
    yield Line(f"Device used: {implementation.title} {_device(implementation)}, {baseline.title} {_device(baseline)}")
    unexamined = [
        what if len(tests) == len(failed_on) else f"{what} (on {', '.join(tests)})" for what, tests in unknown.items()
    ]
    yield Line(f"Not examined: {'; '.join([_NO_PROFILER, *unexamined])}")
    yield from (Line(as_written(line)) for line in index.report.page.slower)


def _diagnosed(index: Index, diagnosis: Diagnosis, title: str) -> Iterator[Line]:
    """What was found, what looks further, and what does not stand out."""
    sides = index.runtime_title(diagnosis.runtime), index.runtime_title(diagnosis.baseline)
    for finding in diagnosis.findings:
        text = text_of(finding, *sides)
        yield Line(f"{title}: {text}. To look further:" if finding.next else f"{title}: {text}", command=finding.next)
    yield Line(f"{title}: {summary_of(diagnosis)}. A profile:", command=diagnosis.profile)


def _device(runtime: RuntimeReport) -> str:
    used = runtime.settings.get("device")
    return str(used) if used is not None else runtime.device or "not reported"
