"""`kind = "ratio"`: a metric of an implementation divided by the baseline's."""

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from parity.compare import Doubt, ratio_at
from parity.compare.advice import EVERY_ROUND, to_measure
from parity.errors import Problem
from parity.gates.base import ALL_ROUNDS, Judgement, MetricGate, crossed_bounds, side
from parity.gates.evidence import Evidence
from parity.gates.interval import Bounds, judge_figures, judge_interval
from parity.reading.dictionary import METRICS, REPORTED, only_a_bound
from parity.records import Cell, Comparison
from parity.stats import EstimateAt


class RatioGate(MetricGate):
    """`kind = "ratio"`: a metric of the implementation, divided by the baseline's, lies within bounds. Give one bound
    or both."""

    compares: ClassVar[bool] = True

    kind: Literal["ratio"]
    min_ratio: float | None = Field(default=None, gt=0, description="the lowest ratio allowed")
    max_ratio: float | None = Field(default=None, gt=0, description="the highest ratio allowed")

    @property
    def allowed(self) -> tuple[float | None, float | None]:
        return self.min_ratio, self.max_ratio

    def problems(self, baseline: str) -> Iterator[Problem]:
        at = f"gates.{self.name}"
        yield from super().problems(baseline)
        if self.metric in METRICS and METRICS[self.metric].scale != "ratio":
            yield Problem(
                f"{at}.metric",
                f"{self.metric!r} is a count, and counts have no ratio",
                "choose a rate, a time or a size, such as 'gen_tps', or use a different kind of gate",
            )
        if baseline in (self.runtimes or ()):
            yield Problem(
                f"{at}.runtimes", f"{baseline!r} is the baseline", "name an implementation: a ratio needs one"
            )
        yield from crossed_bounds(at, {"min_ratio": self.min_ratio, "max_ratio": self.max_ratio})

    def judge_trials(self, cell: Cell, evidence: Evidence) -> Judgement:
        comparison = evidence.comparison(cell, self.metric, self.definition)
        other = evidence.comparison(cell, self.metric)
        if comparison is None and other is not None:
            # Where nothing could be compared at all, its reason says more.
            by = f"both sides were compared by {other.definition}, and not by {self.definition}"
            return Judgement("NOT COMPARABLE", f"{self.metric}: {by if other.definition else other.reason}")
        if comparison is None:
            return Judgement("NOT RUN", f"{self.metric} was not compared: the test does not run on both sides")
        judgement = self._judge(comparison, cell, evidence)
        return replace(judgement, declared=comparison.declared, unproven=comparison.unproven)

    def _judge(self, comparison: Comparison, cell: Cell, evidence: Evidence) -> Judgement:
        definition = comparison.definition or ""
        if not comparison.comparable:
            reason = f"{self.metric}: {comparison.reason}"
            return Judgement("NOT COMPARABLE", reason, advice=comparison.remedy or "")
        if bound := only_a_bound(self.metric, definition):
            article = "an" if bound == "upper" else "a"
            only = f"{self.metric}: {definition} gives only {article} {bound} bound"
            return Judgement("NOT COMPARABLE", only, advice=to_measure(self.metric, [definition]))
        if comparison.ratio is None:
            return Judgement("NOT RUN", f"{self.metric}: {comparison.reason}", advice=comparison.remedy or "")
        if missing := missing_rounds(comparison, cell, evidence):
            return Judgement("INCONCLUSIVE", missing, advice=EVERY_ROUND)
        own = " (self-reported by both runtimes)" if definition.startswith(REPORTED) else ""
        floor = f", noise floor {comparison.floor.ratio:.3g}×" if comparison.floor is not None else ""
        over = f" over the tokens that both have ({comparison.tokens} or more)" if comparison.tokens is not None else ""

        def judged_by(at: EstimateAt) -> Judgement:
            return judge_interval(
                at,
                comparison.rounds,
                Bounds(self.min_ratio, self.max_ratio, "×"),
                evidence,
                lambda centre: f"{self.metric}{own}{over} is {centre:.3g}× that of {comparison.baseline}{floor}",
                required=self.required,
            )

        doubted = None
        if comparison.doubt is not None:
            doubted = Doubt(f"{self.metric}: {comparison.doubt}", comparison.doubt_factor or 1.0)
        judgement = judge_figures(ratio_at(comparison, evidence.looks), judged_by, definition, doubted)
        failed = judgement.verdict == "FAIL" and judgement.value is not None
        return replace(judgement, failed_side=side(self.metric, judgement.value or 1, 1) if failed else None)


def missing_rounds(comparison: Comparison, cell: Cell, evidence: Evidence) -> str | None:
    """Says which successful rounds are in no ratio, and why: what is left out may be what would have failed."""
    base = (*cell[:2], comparison.baseline)
    good = evidence.good_rounds(cell) & evidence.good_rounds(base)
    if comparison.definition is None or comparison.rounds >= len(good):
        return None
    metric, definition = comparison.metric, comparison.definition
    reasons = [
        f"{runtime_cell[2]}: {evidence.measured.reason(runtime_cell, metric, definition)}"
        for runtime_cell in (base, cell)
        if good - evidence.measured.values(runtime_cell, metric, definition).keys()
    ]
    measured = f"{metric} by {definition} was measured in only {comparison.rounds} of {len(good)} successful rounds"
    return f"{measured} ({'; '.join(reasons)}): {ALL_ROUNDS}"
