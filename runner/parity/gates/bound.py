"""`kind = "bound"`: a metric of one runtime against fixed bounds."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from pydantic import Field

from parity.compare import centre_of
from parity.errors import Problem
from parity.gates.base import Evidence, Judgement, MetricGate, asked, crossed_bounds, side, strictest, within
from parity.reading.dictionary import METRICS
from parity.records import Cell
from parity.units import format_value


class BoundGate(MetricGate):
    """`kind = "bound"`: a metric of one runtime lies within fixed bounds."""

    kind: Literal["bound"]
    min: float | None = Field(default=None, gt=0, description="the lowest value allowed, in the metric's unit")
    max: float | None = Field(default=None, gt=0, description="the highest value allowed, in the metric's unit")

    def problems(self, baseline: str) -> Iterator[Problem]:
        yield from super().problems(baseline)
        yield from crossed_bounds(f"gates.{self.name}", {"min": self.min, "max": self.max})

    def judge_trials(self, cell: Cell, evidence: Evidence) -> Judgement:
        values = strictest(self.metric, cell, evidence)
        if isinstance(values, Judgement):
            return values
        unit = METRICS[self.metric].unit
        estimate = centre_of(METRICS[self.metric].scale, values)
        if isinstance(estimate, str):
            return Judgement("NOT COMPARABLE", f"{self.metric}: {estimate}")
        required = asked(self.min, self.max, lambda bound: format_value(bound, unit))
        measured = f"{self.metric} {format_value(estimate.centre, unit)}"
        judgement = within(estimate, self.min, self.max, measured, required, unit)
        return replace(
            judgement,
            sentence=judgement.sentence + _share(self.metric, cell, evidence),
            failed_side=self._failed_side(estimate.centre) if judgement.verdict == "FAIL" else None,
        )

    def _failed_side(self, value: float) -> Literal["slow", "fast"] | None:
        crossed = self.min if self.min is not None and value < self.min else self.max
        return None if crossed is None else side(self.metric, value, crossed)


def _share(metric: str, cell: Cell, evidence: Evidence) -> str:
    """How much of a metric a part of it takes, where that was measured; the gate judges the whole."""
    part = METRICS[metric].part
    values = strictest(part, cell, evidence) if part is not None else []
    if part is None or isinstance(values, Judgement):
        return ""
    centre = centre_of(METRICS[part].scale, values)
    return "" if isinstance(centre, str) else f"; {part} is {format_value(centre.centre, METRICS[part].unit)} of it"
