"""From trials to summaries and comparisons, by the strictest definition that both sides have. Pure."""

from parity.compare.common_tokens import too_few_tokens
from parity.compare.comparing import UPPER_BOUNDS, compare
from parity.compare.doubt import Doubt, doubt
from parity.compare.identity import Departed, Intent, departed, fact_rows
from parity.compare.measured import Measured
from parity.compare.scales import centre_of
from parity.compare.series import interval_of, ratio_at, side_at
from parity.compare.summary import summarise

__all__ = [
    "UPPER_BOUNDS",
    "Departed",
    "Doubt",
    "Intent",
    "Measured",
    "centre_of",
    "compare",
    "departed",
    "doubt",
    "fact_rows",
    "interval_of",
    "ratio_at",
    "side_at",
    "summarise",
    "too_few_tokens",
]
