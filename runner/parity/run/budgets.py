"""Whether two token budgets are far enough apart for what their difference is to show. Pure.

The rate of two budgets comes from T2 − T1. If every trial varies by a share c of its own time, the difference varies by
√(T1² + T2²) ÷ (T2 − T1) times as much. Where load and prefill take long beside the tokens between the budgets, that
is a large multiple of c, and many rounds are needed.
"""

import math
from collections.abc import Iterator, Mapping

from parity.config import Config
from parity.records import Cell, TrialKind

MOST_AMPLIFIED = 3.0
"""With more, a run of 20 rounds on a machine whose trials vary by 5 % can't tell 0.7 from 0.8."""

Times = Mapping[tuple[Cell, TrialKind], float]
"""Cell and kind of trial → mean seconds of the trials, in an earlier run."""


def amplified(short_s: float, long_s: float) -> float:
    """By how much more than a trial the difference of two trials varies; infinite where the long one took no longer."""
    return math.hypot(short_s, long_s) / (long_s - short_s) if long_s > short_s else math.inf


def budget_warnings(config: Config, times: Times) -> Iterator[str]:
    """One sentence for each test and runtime whose budgets are too close together; for each test alone where no earlier
    run shows how long its trials take."""
    for test in config.tests:
        if test.short_tokens is None:
            continue
        seen = {cell: seconds for (cell, kind), seconds in times.items() if cell[1] == test.name and kind == "full"}
        worst = max(
            (
                (amplified(times[cell, "short"], full_s), cell[2])
                for cell, full_s in seen.items()
                if (cell, "short") in times
            ),
            default=(amplified(test.short_tokens, test.max_tokens), ""),
        )
        if worst[0] > MOST_AMPLIFIED:
            whose = f" of {worst[1]}" if worst[1] else ""
            yield (
                f"{test.name}: max_tokens = {test.max_tokens} and short_tokens = {test.short_tokens} are too close: "
                f"their difference varies {_times(worst[0])} as much as a trial{whose}; set them further apart"
            )


def _times(factor: float) -> str:
    return f"{factor:.1f} times" if math.isfinite(factor) else "many times"
