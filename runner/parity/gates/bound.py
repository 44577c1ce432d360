"""`kind = "bound"`: a metric of one runtime against fixed bounds."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from pydantic import Field

from parity.compare import doubt, side_at
from parity.compare.advice import NEVER_ZERO
from parity.errors import Problem
from parity.gates.base import Judgement, MetricGate, crossed_bounds, side, strictest
from parity.gates.evidence import Evidence
from parity.gates.interval import Bounds, judge_figures, judge_interval
from parity.reading.dictionary import METRICS
from parity.records import Cell
from parity.stats import ALPHA, EstimateAt
from parity.units import format_value


class BoundGate(MetricGate):
    """`kind = "bound"`: a metric of one runtime lies within fixed bounds."""

    kind: Literal["bound"]
    min: float | None = Field(default=None, gt=0, description="the lowest value allowed, in the metric's unit")
    max: float | None = Field(default=None, gt=0, description="the highest value allowed, in the metric's unit")

    @property
    def allowed(self) -> tuple[float | None, float | None]:
        return self.min, self.max

    def problems(self, baseline: str) -> Iterator[Problem]:
        yield from super().problems(baseline)
        yield from crossed_bounds(f"gates.{self.name}", {"min": self.min, "max": self.max})

    def judge_trials(self, cell: Cell, evidence: Evidence) -> Judgement:
        found = strictest(self.metric, cell, evidence, self.definition)
        if isinstance(found, Judgement):
            return found
        spec = METRICS[self.metric]
        at = side_at(self.metric, [found[number] for number in sorted(found)], evidence.looks)
        if isinstance(at, str):
            return Judgement("NOT COMPARABLE", f"{self.metric}: {at}", advice=NEVER_ZERO)

        def judged_by(at: EstimateAt) -> Judgement:
            return judge_interval(
                at,
                len(found),
                Bounds(self.min, self.max, spec.unit),
                evidence,
                lambda centre: f"{self.metric} {format_value(centre, spec.unit)}",
                required=self.required,
                logarithms=spec.scale == "ratio",
            )

        definition = next(iter(found.values())).definition
        doubted = doubt(evidence.measured, cell, self.metric, definition)
        if doubted is not None:
            doubted = replace(doubted, sentence=f"{self.metric}: {doubted.sentence}")
        judgement = judge_figures(at, judged_by, definition, doubted)
        failed_at = judgement.value if judgement.verdict == "FAIL" else None
        return replace(
            judgement,
            finding=judgement.finding + _share(self.metric, cell, evidence),
            failed_side=self._failed_side(failed_at) if failed_at is not None else None,
        )

    def _failed_side(self, value: float) -> Literal["slow", "fast"] | None:
        crossed = self.min if self.min is not None and value < self.min else self.max
        return None if crossed is None else side(self.metric, value, crossed)


def _share(metric: str, cell: Cell, evidence: Evidence) -> str:
    """How much of a metric a part of it takes, where that was measured; the gate judges the whole."""
    part = METRICS[metric].part
    if part is None:
        return ""
    found = strictest(part, cell, evidence)
    at = found if isinstance(found, Judgement) else side_at(part, list(found.values()), evidence.looks)
    if isinstance(at, Judgement | str) or isinstance(found, Judgement):
        return ""
    return f"; {part} is {format_value(at(len(found), ALPHA).centre, METRICS[part].unit)} of it"
