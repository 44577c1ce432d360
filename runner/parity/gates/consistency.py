"""`kind = "consistency"`: how much a metric of one runtime varies over the rounds."""

from typing import Literal

from pydantic import Field

from parity import stats
from parity.gates.base import Evidence, Judgement, MetricGate, strictest, within
from parity.records import Cell


class ConsistencyGate(MetricGate):
    """`kind = "consistency"`: a metric varies little from round to round, by its coefficient of variation."""

    kind: Literal["consistency"]
    metric: str = Field(default="gen_tps", description="the name of a metric, such as `gen_tps`")
    max_cv: float = Field(
        default=0.10, gt=0, description="the highest coefficient of variation (standard deviation ÷ mean) allowed"
    )

    def judge_trials(self, cell: Cell, evidence: Evidence) -> Judgement:
        values = strictest(self.metric, cell, evidence)
        if isinstance(values, Judgement):
            return values
        if min(values) <= 0:
            return Judgement(
                "NOT COMPARABLE", f"{self.metric}: a value is zero or negative, so it has no variation in %"
            )
        estimate = stats.coefficient_of_variation(values)
        if estimate.low is None:
            return Judgement(
                "INCONCLUSIVE", f"{self.metric}: one round does not show how much it varies; run more rounds"
            )
        measured = f"{self.metric} varies by {estimate.centre:.1%}"
        return within(estimate, None, self.max_cv, measured, f"at most {self.max_cv * 100:.6g}%", "%")
