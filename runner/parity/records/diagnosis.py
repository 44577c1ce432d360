"""Why an implementation is slower than the baseline, as far as its trials show it."""

from typing import Literal

from pydantic import Field

from parity.records.base import Record
from parity.records.use import UsePhase

FindingKind = Literal[
    "phase",
    "device",
    "waiting",
    "disk",
    "cores",
    "crowding",
    "blocking-threads",
    "work",
    "kernel",
    "page-faults",
    "second-load",
    "reads",
    "memory",
]


class Evidence(Record):
    """A figure of both sides. `difference` stands alone where only the difference is known."""

    what: str
    unit: str = Field(description="as metrics have it; `times` for counts")
    implementation: float | None = None
    baseline: float | None = None
    difference: float | None = None


class Finding(Record):
    """One thing that stands out, beyond what rounds differ by anyway."""

    kind: FindingKind
    sentence: str
    phase: UsePhase | None = Field(default=None, description="that it is about; null: the trial, or no single phase")
    evidence: tuple[Evidence, ...] = ()
    explains: float | None = Field(
        default=None, description="share of the slowdown of its phase that it accounts for; null: it does not tell"
    )
    decisive: bool = Field(
        default=False,
        description="it accounts for the slowdown of its phase by itself; a phase, for half of the difference or more",
    )
    note: str | None = Field(default=None, description="what the evidence leaves open")
    next: str | None = Field(default=None, description="a command that looks further")


class Diagnosis(Record):
    """What was found about an implementation that is slower than its gate allows on one model and test."""

    model: str
    test: str
    runtime: str
    baseline: str
    findings: tuple[Finding, ...] = ()
    ordinary: tuple[str, ...] = Field(default=(), description="what was looked at and does not stand out")
    unknown: tuple[str, ...] = Field(default=(), description="what could not be looked at, and why")
    profile: str = Field(description="a command that shows in which functions the time goes")
