"""Values over rounds as estimates of their first so many: what a verdict looks at after each round. Pure."""

import math
from collections.abc import Sequence

from parity import stats
from parity.compare.scales import centre_of
from parity.reading.dictionary import METRICS
from parity.reading.metrics.two_budgets import RATE
from parity.records import Comparison, Interval, Measurement
from parity.stats import EstimateAt, Looks

LARGEST = 700.0


def slack(measurement: Measurement) -> float:
    """How far a value may be off because the program printed it rounded: as a logarithm on the ratio scale, in the
    metric's unit on others."""
    value, off = measurement.value, measurement.resolution
    if value is None or not off:
        return 0.0
    if METRICS[measurement.metric].scale != "ratio":
        return off
    return -math.log(1 - off / value) if off < value else LARGEST


def side_of(metric: str, found: Sequence[Measurement], looks: Looks) -> stats.Estimate | str:
    """One side's values by one definition over all rounds; or why there is no estimate."""
    values = [m.value for m in found if m.value is not None]
    widen = _mean([slack(m) for m in found if m.value is not None])
    scale, spans = METRICS[metric].scale, found[0].definition == RATE
    return centre_of(scale, values, looks, widen=widen, spans=spans)


def side_at(metric: str, found: Sequence[Measurement], looks: Looks) -> EstimateAt | str:
    """One side's values by one definition, in the order of the rounds; or why there is no estimate."""
    values = [m.value for m in found if m.value is not None]
    slacks = [slack(m) for m in found if m.value is not None]
    scale, spans = METRICS[metric].scale, found[0].definition == RATE
    whole = centre_of(scale, values, looks, spans=spans)
    if isinstance(whole, str):
        return whole

    def at(rounds: int, alpha: float) -> stats.Estimate:
        widen = _mean(slacks[:rounds])
        estimate = centre_of(scale, values[:rounds], looks, alpha, widen, spans=spans)
        assert isinstance(estimate, stats.Estimate), "some of the values have a centre where all of them have"
        return estimate

    return at


def ratio_at(comparison: Comparison, looks: Looks) -> EstimateAt:
    """The ratio of two sides that were compared on the ratio scale."""
    ratio = stats.ratio_of_spans if comparison.definition == RATE else stats.paired_ratio

    def at(rounds: int, alpha: float) -> stats.Estimate:
        widen = _mean(comparison.slack[:rounds]) + (comparison.floor.log_of(rounds) if comparison.floor else 0.0)
        return ratio(comparison.ours[:rounds], comparison.theirs[:rounds], looks, alpha, widen)

    return at


def interval_of(estimate: stats.Estimate, alpha: float = stats.ALPHA) -> Interval | None:
    """The interval of an estimate as reports show it; None where the rounds are too few for one."""
    if estimate.low is None or estimate.high is None:
        return None
    return Interval(low=estimate.low, high=estimate.high, confidence=1 - alpha)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0
