"""Where a rate from two budgets can't be trusted: the trials themselves show a different one."""

from parity import stats
from parity.compare.measured import Measured
from parity.reading.dictionary import METRICS
from parity.reading.metrics.two_budgets import RATE
from parity.records import Cell
from parity.units import format_value

WITHIN_A_TRIAL = ("token-stamps", "chunk-interval")
"""Definitions of a rate that one trial alone shows, strictest first: they can contradict the rate of two budgets."""

MOST_APART = 0.1
"""How far two rates may lie apart and still count as the same. It is a property of the check, and of no gate: what a
difference in prefill adds to the rate of two budgets is far larger than the scatter of a rate within one trial."""


def doubt(measured: Measured, cell: Cell, metric: str, definition: str) -> str | None:
    """Why a rate from two trials decides nothing: within one of them, the runtime shows a different rate. None where it
    can be trusted.

    Load and prefill must take the same time in both trials. Where not, the difference includes that too, the more
    so the closer the budgets are. The interval does not show it: it can be the same in every round."""
    if definition != RATE:
        return None
    ours = measured.values(cell, metric, definition)
    for other in WITHIN_A_TRIAL:
        theirs = measured.values(cell, metric, other)
        pairs = [(a, b) for k in sorted(ours.keys() & theirs.keys()) if (a := ours[k].value) and (b := theirs[k].value)]
        if len(pairs) < max(2, len(ours) / 2):
            continue
        apart = stats.geometric_mean([a / b for a, b in pairs]).centre
        if 1 - MOST_APART <= apart <= 1 / (1 - MOST_APART):
            return None
        one, two = (stats.geometric_mean(values).centre for values in zip(*pairs, strict=True))
        unit = METRICS[metric].unit
        return (
            f"{cell[2]} shows {format_value(two, unit)} by {other} where two budgets give {format_value(one, unit)}: "
            "prefill varied too much for the budgets; set them further apart, or measure on a quieter machine"
        )
    return None
