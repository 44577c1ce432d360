"""What the rounds of a metric come to: the estimate, how its interval was made, and what each look showed. Pure."""

from parity.compare.series import ratio_at, side_at
from parity.explain.records import Look, Result
from parity.reading.dictionary import METRICS
from parity.reading.metrics.two_budgets import RATE
from parity.records import Comparison, Measurement
from parity.report.index import CellResults
from parity.stats import ALPHA, FEW_FACTOR, LEAST, PLENTY, EstimateAt, Looks

SEQUENCE = (
    "a Gaussian-mixture t confidence sequence (Wang and Ramdas, arXiv 2310.03722), which holds after every round, so "
    "that the run may stop at any of them"
)
STUDENT = "Student's t interval, because the number of rounds is fixed and they are judged once"


def result_of(
    found: CellResults, base: CellResults | None, metric: str, definition: str, looks: Looks
) -> Result | None:
    """The comparison of a cell by a definition; of a cell that was not compared by it, its own values."""
    summary, comparison = found.summary(metric, definition), found.comparisons.get(metric)
    if summary is None or summary.centre is None or summary.definition != definition:
        return None
    if comparison is None or not comparison.comparable or comparison.definition != definition:
        own = _own_values(found, metric, definition)
        at = side_at(metric, own, looks) if own else ""
        return Result(
            rounds=len(summary.values),
            value=summary.centre,
            interval=summary.interval,
            method=_method(metric, definition, looks, len(summary.values), compared=False),
            looks=() if isinstance(at, str) else _looks(at, looks, len(own)),
        )
    other = base.summary(metric, definition) if base is not None else None
    return Result(
        rounds=comparison.rounds,
        value=summary.centre,
        baseline=other.centre if other is not None else None,
        ratio=comparison.ratio,
        difference=comparison.difference,
        agreement=comparison.agreement,
        interval=comparison.interval,
        method=_method(metric, definition, looks, comparison.rounds, compared=True),
        widened=tuple(_widened(comparison)),
        looks=() if comparison.ratio is None else _looks(ratio_at(comparison, looks), looks, comparison.rounds),
        doubts=() if comparison.doubt is None else (comparison.doubt,),
    )


def _own_values(found: CellResults, metric: str, definition: str) -> list[Measurement]:
    by_round = {
        trial.round: measurement
        for trial in found.measured_trials()
        for measurement in trial.measurements
        if (measurement.metric, measurement.definition) == (metric, definition) and measurement.value is not None
    }
    return [by_round[number] for number in sorted(by_round)]


def _looks(at: EstimateAt, looks: Looks, rounds: int) -> tuple[Look, ...]:
    """What was seen each time that the metric was judged."""
    seen = []
    for number in looks.among(rounds):
        estimate = at(number, ALPHA)
        seen.append(Look(rounds=number, centre=estimate.centre, low=estimate.low, high=estimate.high))
    return tuple(seen)


def _method(metric: str, definition: str, looks: Looks, rounds: int, *, compared: bool) -> str:
    """How centre and interval were made, as one sentence without its end."""
    scale = METRICS[metric].scale
    if scale == "agreement":
        return (
            "the share of the rounds in which both sides have the same value" if compared else "what all rounds share"
        )
    said = f"{_centre(scale, definition, compared=compared)}, with {STUDENT if looks.fixed else SEQUENCE}"
    if rounds < LEAST:
        return f"{said}; no gate is judged by fewer than {LEAST} rounds"
    if rounds < PLENTY and scale == "ratio":
        said += f"; with fewer than {PLENTY} rounds, it is widened by a factor of {FEW_FACTOR:g} on both sides"
    return said


def _centre(scale: str, definition: str, *, compared: bool) -> str:
    if scale == "difference":
        return f"the arithmetic mean of the {'differences of the ' if compared else ''}rounds"
    if definition == RATE:
        return f"the {'ratio of the mean times a token' if compared else 'inverse of the mean time a token'} (Fieller)"
    return f"the geometric mean of the {'ratios of the ' if compared else ''}rounds"


def _widened(comparison: Comparison) -> list[str]:
    """What made the interval wider than the rounds alone do."""
    found = []
    if any(comparison.slack):
        mean = sum(comparison.slack) / len(comparison.slack)
        found.append(f"by {mean:.2%} on both sides, because the figures were printed rounded")
    if comparison.floor is not None:
        floor = comparison.floor
        found.append(
            f"by the noise floor: the baseline compared with itself gave {floor.ratio:.4g}× over {floor.rounds} rounds"
        )
    return found
