"""The maths: centres, intervals, verdicts of intervals over rounds, and spread. Pure functions of numbers.

Rates and times are positive and vary by factors, so they are averaged as logarithms: the centre is the geometric mean,
and the ratio of two centres is the centre of the per-round ratios. Counts are averaged as they are.
"""

from parity.stats.decide import Decision, EstimateAt, decide, rounds_needed
from parity.stats.estimates import (
    ONCE,
    Estimate,
    arithmetic_mean,
    geometric_mean,
    paired_difference,
    paired_ratio,
    quantile,
    ratio_of_spans,
)
from parity.stats.looks import ALPHA, CONFIDENCE, FEW_FACTOR, LEAST, PLENTY, Looks, family_tail

__all__ = [
    "ALPHA",
    "CONFIDENCE",
    "FEW_FACTOR",
    "LEAST",
    "ONCE",
    "PLENTY",
    "Decision",
    "Estimate",
    "EstimateAt",
    "Looks",
    "arithmetic_mean",
    "decide",
    "family_tail",
    "geometric_mean",
    "paired_difference",
    "paired_ratio",
    "quantile",
    "ratio_of_spans",
    "rounds_needed",
]
