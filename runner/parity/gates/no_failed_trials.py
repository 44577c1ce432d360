"""`kind = "no-failed-trials"`: every planned trial gave a result."""

from collections.abc import Sequence
from typing import Literal

from parity.compare.advice import ON_A_QUIETER_MACHINE, TO_RESUME, TO_SEE_MISSING, after_failure
from parity.gates.base import GateBase, Judgement
from parity.gates.evidence import Evidence
from parity.reading.outcome import NEVER_RAN
from parity.records import Cell, Trial
from parity.units import plural


class NoFailedTrialsGate(GateBase):
    """`kind = "no-failed-trials"`: no trial failed, warm-up rounds included: none hung, crashed or printed
    output that can't be read. A program that parity stops after its answer passes only with a whole trial."""

    kind: Literal["no-failed-trials"]

    def judge(self, cell: Cell, evidence: Evidence) -> Judgement:
        """A trial that ran and failed decides, also where the rest of its cell did not run; but not a deadline that was
        missed on a busy machine. One in which the model was never asked anything says nothing of the program, and
        why."""
        trials = evidence.of(cell)
        failures = [t.failure for t in trials if t.failure is not None and t.void is None]
        if counted := [f for f in failures if f.kind not in (*NEVER_RAN, "interrupted")]:
            kinds = ", ".join(sorted({f.kind for f in counted}))
            which = f"{len(counted)} of {len(trials)} trials" if len(trials) > 1 else "the only trial"
            said = f"{which} failed ({kinds}): {counted[0].message}"
            return Judgement("FAIL", said, advice=after_failure(counted[0].kind))
        if unasked := [f for f in failures if f.kind in NEVER_RAN]:
            said = f"{unasked[0].kind}: {unasked[0].message}"
            # A program that refuses a job is there, and its sentence says what it can't do.
            return Judgement("NOT RUN", said, advice=TO_SEE_MISSING if unasked[0].kind == "unavailable" else "")
        return super().judge(cell, evidence)

    def judge_trials(self, cell: Cell, evidence: Evidence) -> Judgement:
        trials, left = evidence.of(cell), evidence.not_run.get(cell)
        if failure := next((t.failure for t in trials if t.failure is not None), None):
            return Judgement("NOT RUN", f"{failure.kind}: {failure.message}")
        if left is not None:
            missing = f"{left.planned - left.ran} of {left.planned} planned trials did not run"
            return Judgement("NOT RUN", f"{missing} ({left.reason})", advice=TO_RESUME)
        if not trials:
            return Judgement("NOT RUN", "no trial ran", advice=TO_RESUME)
        explained, open_ones = evidence.run_again(cell)
        if open_ones:
            said = f"{_deadlines(open_ones)}, and no later attempt gave a result"
            return Judgement("INCONCLUSIVE", said, advice=ON_A_QUIETER_MACHINE)
        again = f"; {_deadlines(explained)}, and gave a result when run again" if explained else ""
        stopped = sum(trial.stopped for trial in trials)
        succeeded = f"all {len(trials)} trials succeeded" if len(trials) > 1 else "the only trial succeeded"
        if not stopped:
            return Judgement("PASS", f"{succeeded}{again}")
        these = f"{stopped} of them" if len(trials) > 1 else "it"
        said = f"{succeeded}{again}, and parity stopped {these} after the answer"
        if whole := sum(trial.kind == "whole" and not trial.stopped for trial in trials):
            return Judgement("PASS", f"{said}; {whole} ran to {'its' if whole == 1 else 'their'} own end")
        remedy = f"set `whole_trials = 1` in the table of {cell[2]}, or leave the key out"
        return Judgement("INCONCLUSIVE", f"{said}, so that nothing shows whether the program ends", advice=remedy)


def _deadlines(missed: Sequence[Trial]) -> str:
    """That trials missed a deadline on a busy machine."""
    kinds = ", ".join(dict.fromkeys(t.failure.kind for t in missed if t.failure is not None))
    return f"{plural(len(missed), 'trial')} missed a deadline ({kinds}) while {missed[0].void}"
