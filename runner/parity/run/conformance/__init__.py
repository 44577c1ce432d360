"""Whether an adapter keeps to the contract: what it says of itself, and how it reads output, whole and damaged.

Each check runs in a child with limits, which makes the adapter anew of its class and its settings: an adapter that ends
the interpreter, or never answers, fails that check and nothing else.
"""

from parity.run.conformance.battery import CHECKS, Checked, Evidence, conforms, render
from parity.run.conformance.subject import Subject, evidence_in, one_trial, subject_of

__all__ = [
    "CHECKS",
    "Checked",
    "Evidence",
    "Subject",
    "conforms",
    "evidence_in",
    "one_trial",
    "render",
    "subject_of",
]
