"""Findings as lines of text, the same in every format."""

from parity.records import Diagnosis, Evidence, Finding, UsePhase
from parity.report.diagnosis.sides import Series
from parity.units import format_difference, format_value

_COUNT = "times"

TITLES: dict[UsePhase, str] = {
    "load": "loading",
    "prefill": "prefill",
    "decode": "decoding",
    "trial": "the whole trial",
}


def figure(value: float, unit: str) -> str:
    """A figure with its unit; a count has none, and needs no more than two digits."""
    if unit != _COUNT:
        return format_value(value, unit)
    return f"{value:,.0f}" if value >= 10 or value == round(value) else f"{value:.2g}"


def evidence(what: str, unit: str, series: Series) -> Evidence:
    """A figure of both sides, as their means."""
    ours, theirs = series.means
    return Evidence(what=what, unit=unit, implementation=ours, baseline=theirs)


def against(what: str, unit: str, series: Series) -> str:
    """The same in words, of what does not stand out."""
    ours, theirs = series.means
    return f"{what}: {figure(ours, unit)} against {figure(theirs, unit)}"


def _figures(finding: Finding, implementation: str, baseline: str) -> str:
    """The evidence: `CPU cores used: Beta 1.01 cores, Alpha 1.98 cores; …`."""
    separator = ", " if finding.kind == "phase" else "; "
    return separator.join(_figure(evidence, implementation, baseline) for evidence in finding.evidence)


def text_of(finding: Finding, implementation: str, baseline: str) -> str:
    """What was found, with its evidence."""
    figures = _figures(finding, implementation, baseline)
    of = f" of {TITLES[finding.phase]}" if finding.phase is not None else ""
    explains = f"; that is about {finding.explains:.0%} of the slowdown{of}" if finding.explains is not None else ""
    note = f"; {finding.note}" if finding.note is not None else ""
    return f"{finding.sentence}{f' ({figures})' if figures else ''}{explains}{note}"


def summary_of(diagnosis: Diagnosis) -> str:
    """What was looked at and does not stand out."""
    if not diagnosis.ordinary:
        return "nothing else could be looked at" if diagnosis.findings else "nothing could be looked at"
    else_ = "else " if diagnosis.findings else ""
    return f"nothing {else_}stands out of what was looked at: {'; '.join(diagnosis.ordinary)}"


def _figure(evidence: Evidence, implementation: str, baseline: str) -> str:
    if evidence.difference is not None:
        return f"{evidence.what} {format_difference(evidence.difference, evidence.unit)}"
    sides = ((implementation, evidence.implementation), (baseline, evidence.baseline))
    figures = (f"{title} {figure(value, evidence.unit)}" for title, value in sides if value is not None)
    return f"{evidence.what}: {', '.join(figures)}"
