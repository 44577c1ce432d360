"""Why an implementation is slower than its gate allows: findings, each with its evidence and what looks further. Pure.

A finding says no more than its evidence: what stands out beyond the scatter of the rounds, and accounts for a part of
the slowdown that is worth looking at. `sides` has the rules, and their reasons.
"""

from parity.report.diagnosis.building import causes_of, diagnose, diagnosed
from parity.report.diagnosis.lines import summary_of, text_of

__all__ = ["causes_of", "diagnose", "diagnosed", "summary_of", "text_of"]
