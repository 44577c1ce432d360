"""`kind = "outputs"`: a runtime computes the same as the baseline, as far as both show it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from parity.compare.advice import LET_OUTPUTS_AGREE, TO_SEE_MORE, to_accept
from parity.errors import Problem
from parity.gates.base import GateBase, Judgement
from parity.gates.evidence import Evidence
from parity.records import Cell, OutputVerdict, VerdictKind

COUNTING: tuple[VerdictKind, ...] = ("PASS", "FAIL", "INCONCLUSIVE")
"""Verdicts that rest on figures."""


class OutputsGate(GateBase):
    """`kind = "outputs"`: a runtime computes the same as the baseline: prompt ids, greedy continuation and
    log-probabilities, as far as both show them. Where a gate of this kind judges a runtime on a test, its gates on
    ratios of speeds count only if it passes."""

    compares: ClassVar[bool] = True
    reads_scores: ClassVar[bool] = True

    kind: Literal["outputs"]
    truth: bool = Field(
        default=False,
        description="whether the exact arm scores too: the same weights dequantised to F32 and computed in F32, in "
        "llama.cpp and the Candle reference where the config has them, so that it shows which side is farther from it",
    )

    def problems(self, baseline: str) -> Iterator[Problem]:
        if baseline in (self.runtimes or ()):
            yield Problem(
                f"gates.{self.name}.runtimes",
                f"{baseline!r} is the baseline",
                "name an implementation: its outputs are compared with the baseline's",
            )

    def _unless_busy(self, judgement: Judgement, cell: Cell, evidence: Evidence) -> Judgement:
        """What a runtime computes does not depend on how busy the machine is."""
        return judgement

    def judge_trials(self, cell: Cell, evidence: Evidence) -> Judgement:
        found = evidence.outputs.get(cell)
        if found is None:
            silent = [c[2] for c in self.cells(cell, evidence.baseline) if not evidence.measured.trials(c)]
            who = " or ".join(silent)
            reason = f"no trial of {who} gave a result" if silent else "they were not judged"
            return Judgement("NOT RUN", f"no outputs to compare: {reason}")
        said = f"{found.verdict}: {found.sentence}{self._without_arm(found, cell, evidence)}"
        if found.verdict in ("IDENTICAL", "EQUIVALENT"):
            return Judgement("PASS", said)
        if found.verdict in ("DRIFT", "WRONG"):
            return Judgement("FAIL", said)
        if found.is_accepted:
            return Judgement("PASS", f"{said}; accepted as declared", declared=(f"outputs: {found.declared}",))
        return Judgement("NOT COMPARABLE", said, advice=to_accept(found))

    def _without_arm(self, found: OutputVerdict, cell: Cell, evidence: Evidence) -> str:
        """That the gate asked for the exact arm, and what of it there is not."""
        if not self.truth:
            return ""
        if cell[1] not in evidence.greedy:
            return "; no exact arm: the test samples its tokens"
        if found.no_exact is not None:
            return f"; no exact arm: {found.no_exact}"
        silent = found.exact.silent if found.exact is not None else ()
        return f"; not in the exact arm: {'; '.join(silent)}" if silent else ""


def unless_outputs_differ(judgement: Judgement, cell: Cell, evidence: Evidence) -> Judgement:
    """A judgement on a ratio of speeds counts only beside outputs that are the same, where these are judged, and beside
    none that the trials by themselves show to be wrong: a runtime that is fast and wrong must not pass."""
    asked, unasked = evidence.outputs.get(cell), evidence.unasked.get(cell)
    if judgement.verdict not in COUNTING:
        return judgement
    if asked is not None and not asked.counts:
        why, advice = f"{asked.verdict}, as its gate of the kind `outputs` says", LET_OUTPUTS_AGREE
    elif unasked is not None and unasked.verdict in ("DRIFT", "WRONG"):
        why, advice = f"{unasked.verdict}: {unasked.sentence}", TO_SEE_MORE
    else:
        return judgement
    finding = f"its speed does not count, for its outputs are {why}; {judgement.finding}"
    return replace(
        judgement, verdict="NOT COMPARABLE", finding=finding, advice=advice, failed_side=None, open=False, bounds=None
    )
