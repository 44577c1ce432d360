"""From a report to its diagnoses: which cells have one, and what it holds."""

from collections.abc import Iterator

from parity.gates.base import side
from parity.reading.dictionary import METRICS
from parity.records import Diagnosis, Finding, Report, UsePhase, Verdict
from parity.report.diagnosis.commands import Commands, commands_for
from parity.report.diagnosis.cpu import Found, look_at, phases_with_figures, phases_without_figures, slow_phases
from parity.report.diagnosis.loading import look_at_sizes, look_at_what_is_reported
from parity.report.diagnosis.phases import where_time_goes
from parity.report.diagnosis.sides import Sides, sides_of
from parity.report.index import Index, Workload
from parity.stats import LEAST
from parity.units import plural

_PHASE_OF: dict[str, UsePhase] = {"load_s": "load", "ttft_s": "prefill", "prompt_tps": "prefill", "gen_tps": "decode"}
"""Metric → the one phase whose time it is."""

_HELD_BY: dict[str, tuple[UsePhase | None, ...]] = {
    "total_s": ("prefill", "decode", None),
    "wall_s": ("load", "prefill", "decode", None),
}
"""Metric → the phases that its time holds; None: what no phase measures."""


def diagnosed(report: Report) -> Report:
    """The report with a diagnosis of each cell that is slower than its gate allows, or may be."""
    asking = {(v.model, v.test, v.runtime) for v in report.verdicts if is_slow(v)}
    if not asking:
        return report
    index = Index(report)
    found = [
        diagnose(index, workload, runtime.name)
        for workload in index.workloads
        for runtime in index.implementations
        if (workload.model.name, workload.test.name, runtime.name) in asking
    ]
    return report.but(diagnoses=tuple(found))


def is_slow(verdict: Verdict) -> bool:
    """Whether a gate says that a runtime is too slow: FAIL, or INCONCLUSIVE with a value beyond the bound."""
    if verdict.verdict == "FAIL":
        return verdict.failed_side == "slow"
    if verdict.verdict != "INCONCLUSIVE" or verdict.value is None or verdict.metric not in METRICS:
        return False
    if verdict.kind not in ("ratio", "bound"):
        return False
    low, high = verdict.at_least, verdict.at_most
    crossed = low if low is not None and verdict.value < low else high
    if crossed is None or (crossed == high and verdict.value <= crossed):
        return False
    return side(verdict.metric, verdict.value, crossed) == "slow"


def diagnose(index: Index, workload: Workload, implementation: str) -> Diagnosis:
    """What is found about an implementation, whatever its verdicts are."""
    sides = sides_of(index, workload, implementation)
    trial = next(iter(sides.trials()), None)
    commands = commands_for(index.report, workload.test.name, implementation, trial)
    phases = where_time_goes(sides.pair)
    found = Found(
        [phases.finding] if phases.finding is not None else [],
        list(phases.ordinary),
        [f"{phase}: not measured on both sides" for phase in phases.unknown],
    )
    _look(sides, commands, found)
    return Diagnosis(
        model=workload.model.name,
        test=workload.test.name,
        runtime=implementation,
        baseline=index.baseline.name,
        findings=tuple(sorted(found.findings, key=lambda finding: (finding.kind != "phase", -(finding.explains or 0)))),
        ordinary=tuple(found.ordinary),
        unknown=tuple(dict.fromkeys(found.unknown)),
        profile=commands.profile,
    )


def _look(sides: Sides, commands: Commands, found: Found) -> None:
    look_at_what_is_reported(sides, commands, found)
    if len(sides.rounds) < LEAST:
        few = f"both sides gave a result in {plural(len(sides.rounds), 'round')}, and fewer than {LEAST} tell nothing"
        found.unknown.append(f"CPU, waits, page faults, memory and bytes read: {few}")
        return
    slow = slow_phases(sides)
    for phase in slow:
        look_at(sides, phase, commands, found)
    found.unknown += [f"CPU in {line}" for line in phases_without_figures(sides)]
    if not slow and (measured := phases_with_figures(sides)):
        found.ordinary.append(f"time of {' and '.join(measured)}: not slower by more than the rounds differ")
    look_at_sizes(sides, commands, found)


def causes_of(report: Report, diagnosis: Diagnosis) -> Iterator[Finding]:
    """The findings that account by themselves for what a gate of the cell is about, those that say most first. Of a
    time that holds several phases, what accounts for one of them may account for little."""
    cell = (diagnosis.model, diagnosis.test, diagnosis.runtime)
    slow = {v.metric for v in report.verdicts if (v.model, v.test, v.runtime) == cell and is_slow(v)}
    phases = {_PHASE_OF[metric] for metric in slow if metric in _PHASE_OF}
    of_several = {phase for metric in slow for phase in _HELD_BY.get(metric or "", ())}
    for finding in sorted(diagnosis.findings, key=lambda finding: finding.kind == "phase"):
        about = {*phases, *of_several} if finding.kind == "phase" else phases
        if finding.decisive and (finding.kind == "device" or finding.phase in about):
            yield finding
