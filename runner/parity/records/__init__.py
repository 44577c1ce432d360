"""What a run is made of: models, tests, jobs, trials, measurements, comparisons, verdicts, and the report over them.

Plain data. Nothing here computes, opens a file or names a runtime.
"""

from parity.records.base import LONGEST_NAME, SCHEMA_VERSION, Name, Record, Scalar
from parity.records.conditions import (
    Busyness,
    ConditionLimits,
    Conditions,
    PageCache,
    PageCachePolicy,
    ProcessLoad,
)
from parity.records.host import HostFacts
from parity.records.model import ModelFacts
from parity.records.report import (
    Claim,
    Comparison,
    Declaration,
    Exit,
    FactRow,
    Floor,
    Interval,
    NotRun,
    PageSpec,
    Report,
    RuntimeReport,
    Summary,
    Verdict,
    VerdictKind,
)
from parity.records.scores import Scored, ScoreRequest
from parity.records.trial import Checkout, Departure, Failure, Identity, Measurement, Trial
from parity.records.work import (
    LONGEST_S,
    Cell,
    Converted,
    Job,
    Limits,
    Place,
    Sampling,
    Slot,
    Task,
    TestSpec,
    TrialKind,
)

__all__ = [
    "LONGEST_NAME",
    "LONGEST_S",
    "SCHEMA_VERSION",
    "Busyness",
    "Cell",
    "Checkout",
    "Claim",
    "Comparison",
    "ConditionLimits",
    "Conditions",
    "Converted",
    "Declaration",
    "Departure",
    "Exit",
    "FactRow",
    "Failure",
    "Floor",
    "HostFacts",
    "Identity",
    "Interval",
    "Job",
    "Limits",
    "Measurement",
    "ModelFacts",
    "Name",
    "NotRun",
    "PageCache",
    "PageCachePolicy",
    "PageSpec",
    "Place",
    "ProcessLoad",
    "Record",
    "Report",
    "RuntimeReport",
    "Sampling",
    "Scalar",
    "ScoreRequest",
    "Scored",
    "Slot",
    "Summary",
    "Task",
    "TestSpec",
    "Trial",
    "TrialKind",
    "Verdict",
    "VerdictKind",
]
