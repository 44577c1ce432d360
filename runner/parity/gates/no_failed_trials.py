"""`kind = "no-failed-trials"`: every planned trial gave a result."""

from typing import Literal

from parity.gates.base import Evidence, GateBase, Judgement
from parity.reading.outcome import NEVER_RAN
from parity.records import Cell


class NoFailedTrialsGate(GateBase):
    """`kind = "no-failed-trials"`: no trial failed, warm-up rounds included: none hung, crashed or printed
    output that can't be read."""

    kind: Literal["no-failed-trials"]

    def judge(self, cell: Cell, evidence: Evidence) -> Judgement:
        """A trial that ran and failed decides, also where the rest of its cell did not run; but not a deadline that was
        missed on a busy machine."""
        trials = evidence.of(cell)
        failures = [t.failure for t in trials if t.failure is not None and t.void is None]
        if counted := [f for f in failures if f.kind not in (*NEVER_RAN, "interrupted")]:
            kinds = ", ".join(sorted({f.kind for f in counted}))
            return Judgement("FAIL", f"{len(counted)} of {len(trials)} trials failed ({kinds}): {counted[0].message}")
        return super().judge(cell, evidence)

    def judge_trials(self, cell: Cell, evidence: Evidence) -> Judgement:
        trials, left = evidence.of(cell), evidence.not_run.get(cell)
        if failure := next((t.failure for t in trials if t.failure is not None), None):
            return Judgement("NOT RUN", f"{failure.kind}: {failure.message}")
        if left is not None:
            return Judgement("NOT RUN", f"{left.planned - left.ran} of {left.planned} planned trials did not run")
        if not trials:
            return Judgement("NOT RUN", "no trial ran")
        return Judgement("PASS", f"all {len(trials)} trials succeeded")
