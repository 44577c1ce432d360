"""Which branch of the page's analysis the verdicts select, and the lines of that branch."""

from collections.abc import Iterable
from typing import Literal

from parity.reading.dictionary import METRICS, only_a_bound
from parity.records import Claim, Report, RuntimeReport, Summary, Verdict
from parity.report.markdown import inline
from parity.report.rows import (
    MISSING,
    baseline_of,
    comparison_of,
    runtime_title,
    summary_of,
    title_of_test,
    worst,
)
from parity.units import format_difference, format_value

Branch = Literal["matching", "slower", "undecided"]

HEADINGS: dict[Branch, str] = {
    "matching": "If Matching Baseline (EXPECTED)",
    "slower": "If Slower Than Baseline",
    "undecided": "If Undecided",
}

TICKED, UNTICKED, CROSSED = "✅", "⬜", "❌"

_PHASES = {"loading": "load_cores", "prefill": None, "decoding": "gen_cores"}
_SPEED_UNITS = ("s", "token/s")


def branch_of(report: Report, implementation: RuntimeReport) -> Branch:
    """`matching`: every required gate on it passed, a ratio gate among them, and the run was not interrupted.
    `slower`: a required speed gate on it failed on the slow side. Anything else is undecided."""
    if _slow(report, implementation):
        return "slower"
    return "undecided" if _missing(report, implementation) else "matching"


def analysis_lines(report: Report, implementation: RuntimeReport) -> list[str]:
    """The branch's lines as Markdown, without their bullets."""
    match branch_of(report, implementation):
        case "matching":
            return _matching(report, implementation)
        case "slower":
            return _slower(report, implementation)
        case "undecided":
            return [inline(line) for line in _missing(report, implementation)]


def gates_of(report: Report, implementation: RuntimeReport) -> dict[str, list[Verdict]]:
    """Gate → its verdicts on this implementation, in the report's order."""
    gates: dict[str, list[Verdict]] = {}
    for verdict in report.verdicts:
        if verdict.runtime == implementation.name:
            gates.setdefault(verdict.gate, []).append(verdict)
    return gates


def said(report: Report, verdicts: Iterable[Verdict]) -> str:
    """The sentences of one gate's cells, each under its test where there are several."""
    cells = list(verdicts)
    if len(cells) == 1:
        return cells[0].sentence
    return "; ".join(f"{_where(report, cell.model, cell.test)}: {cell.sentence}" for cell in cells)


def as_written(text: str) -> str:
    """A line of the config's own Markdown, kept to one line."""
    return " ".join(text.split())


def _required(report: Report, implementation: RuntimeReport) -> list[Verdict]:
    """Those that count: `NOT APPLICABLE` does not."""
    return [
        verdict
        for verdict in report.verdicts
        if verdict.runtime == implementation.name and verdict.required and verdict.verdict != "NOT APPLICABLE"
    ]


def _slow(report: Report, implementation: RuntimeReport) -> list[Verdict]:
    """Failed speed gates; not those of an implementation that is too fast for a two-sided gate."""
    return [
        verdict
        for verdict in _required(report, implementation)
        if verdict.verdict == "FAIL"
        and verdict.kind in ("ratio", "bound")
        and verdict.metric in METRICS
        and METRICS[verdict.metric].unit in _SPEED_UNITS
        and not _faster(verdict)
    ]


def _faster(verdict: Verdict) -> bool:
    if verdict.kind != "ratio" or verdict.value is None or verdict.metric is None:
        return False
    return verdict.value > 1 if METRICS[verdict.metric].better == "higher" else verdict.value < 1


def _missing(report: Report, implementation: RuntimeReport) -> list[str]:
    """What keeps the verdicts from saying that the implementation matches; empty where they do."""
    required = _required(report, implementation)
    lines = [
        f"{verdict.gate} is {verdict.verdict} on {_where(report, verdict.model, verdict.test)}: {verdict.sentence}"
        for verdict in required
        if verdict.verdict != "PASS"
    ]
    if report.interrupted:
        lines.append("The run was interrupted before its last round")
    elif report.exit.code != 0 and not lines:
        lines.append(f"The run exited with {report.exit.code}: {report.exit.reason}")
    if implementation.status != "ready":
        reason = f": {implementation.reason}" if implementation.reason else ""
        remedy = f" (what helps: {implementation.remedy})" if implementation.remedy else ""
        lines.append(f"{implementation.title} is {implementation.status}{reason}{remedy}")
    if not any(verdict.kind == "ratio" for verdict in required):
        lines.append(f"No required gate holds {implementation.title} against {baseline_of(report).title}")
    return lines


def _matching(report: Report, implementation: RuntimeReport) -> list[str]:
    lines = [_claim(claim, gates_of(report, implementation)) for claim in report.page.matching]
    if report.page.conclusion:
        lines.append(as_written(report.page.conclusion))
    return lines or [inline("Every required gate passed")]


def _claim(claim: Claim, gates: dict[str, list[Verdict]]) -> str:
    text = as_written(claim.text)
    if not claim.gates:
        return f"{UNTICKED} {text} (not measured)"
    reasons = []
    for gate in claim.gates:
        verdict = worst(gates.get(gate, []))
        if verdict != "PASS":
            reasons.append(f"{gate} is {verdict}" if verdict else f"{gate} was not judged")
    return f"{UNTICKED} {text} ({inline('; '.join(reasons))})" if reasons else f"{TICKED} {text}"


def _slower(report: Report, implementation: RuntimeReport) -> list[str]:
    slow = _slow(report, implementation)
    baseline = baseline_of(report)
    lines = [f"{verdict.gate} on {_where(report, verdict.model, verdict.test)}: {verdict.sentence}" for verdict in slow]
    unexamined = ["what the processes do within a phase (no profiler was attached)", "use of a GPU"]
    for model, test in dict.fromkeys((verdict.model, verdict.test) for verdict in slow):
        known, unknown = _phases(report, model, test, implementation)
        where = _where(report, model, test)
        lines += [f"{where}: {line}" for line in known]
        unexamined += [f"{phase} on {where}" for phase in unknown]
    lines.append(
        f"Device in force: {implementation.title} {_device(implementation)}, {baseline.title} {_device(baseline)}"
    )
    lines.append(f"Not examined: {', '.join(unexamined)}")
    return [*map(inline, lines), *map(as_written, report.page.slower)]


def _phases(report: Report, model: str, test: str, implementation: RuntimeReport) -> tuple[list[str], list[str]]:
    """What is known of where the difference lies, and the phases of which nothing is."""
    differences = {
        "loading": _time_difference(report, model, test, implementation, "load_s"),
        "prefill": _time_difference(report, model, test, implementation, "ttft_s"),
        "decoding": _decode_difference(report, model, test, implementation),
    }
    known = {phase: seconds for phase, seconds in differences.items() if seconds is not None}
    unknown = [phase for phase in differences if phase not in known]
    if not known:
        return [], unknown
    listed = ", ".join(f"{phase} {format_difference(seconds, 's')}" for phase, seconds in known.items())
    largest = max(known, key=lambda phase: known[phase])
    if known[largest] <= 0:
        return [f"no phase that was measured on both sides is slower ({listed})"], unknown
    among = " among the phases measured on both sides" if unknown else ""
    lines = [f"{largest} holds the largest part of the difference{among} ({listed})"]
    cores_metric = _PHASES[largest]
    if cores_metric:
        cores = ", ".join(
            f"{runtime_title(report, name)} {_cores(report, model, test, name, cores_metric)}"
            for name in (implementation.name, report.baseline)
        )
        lines.append(f"CPU cores used while {largest}: {cores}")
    else:
        unknown.append(f"CPU cores used in {largest}")
    return lines, unknown


def _time_difference(report: Report, model: str, test: str, implementation: RuntimeReport, metric: str) -> float | None:
    """Implementation − baseline in s; None unless both sides have the metric by one definition. A difference of mere
    bounds says nothing of a phase."""
    pair = _pair(report, model, test, implementation, metric)
    return pair[0] - pair[1] if pair else None


def _decode_difference(report: Report, model: str, test: str, implementation: RuntimeReport) -> float | None:
    """Of the times (N − 1) ÷ `gen_tps`, at the smaller of the two token counts."""
    rates = _pair(report, model, test, implementation, "gen_tps")
    counts = _pair(report, model, test, implementation, "generated_tokens")
    if rates is None or counts is None:
        return None
    steps = min(counts) - 1
    return steps / rates[0] - steps / rates[1]


def _pair(
    report: Report, model: str, test: str, implementation: RuntimeReport, metric: str
) -> tuple[float, float] | None:
    comparison = comparison_of(report, model, test, implementation.name, metric)
    if comparison is not None and not comparison.comparable:
        return None
    definition = comparison.definition if comparison else None
    if definition is not None and only_a_bound(metric, definition):
        return None
    own = summary_of(report, model, test, implementation.name, metric, definition)
    theirs = summary_of(report, model, test, report.baseline, metric, definition)
    if own is None or theirs is None or own.definition != theirs.definition:
        return None
    return None if own.centre is None or theirs.centre is None else (own.centre, theirs.centre)


def _cores(report: Report, model: str, test: str, runtime: str, metric: str) -> str:
    found: Summary | None = summary_of(report, model, test, runtime, metric)
    if found is None or found.centre is None:
        return f"{MISSING} ({found.reason})" if found and found.reason else f"{MISSING} (not sampled)"
    return format_value(found.centre, found.unit)


def _device(runtime: RuntimeReport) -> str:
    in_force = runtime.settings.get("device")
    return str(in_force) if in_force is not None else runtime.device or "did not report one"


def _where(report: Report, model: str, test: str) -> str:
    return f"{title_of_test(report, test)} ({model})" if len(report.models) > 1 else title_of_test(report, test)
