"""What a verdict is to a program that knows tests: the exit code's view of it. Pure."""

from collections.abc import Iterable
from typing import Literal

from parity.records import Exit, Verdict

Outcome = Literal["passed", "failed", "error", "skipped"]


def outcome_of(verdict: Verdict, exit: Exit) -> Outcome:
    """`failed` and `error` are for what makes the exit code other than 0; with 0, there is none of them."""
    if verdict.verdict == "PASS":
        return "passed"
    if not verdict.required or exit.code == 0:
        return "skipped"
    if verdict.verdict == "FAIL":
        return "failed"
    return "skipped" if verdict.verdict == "NOT APPLICABLE" and not verdict.fell_away else "error"


def is_told_by(outcomes: Iterable[Outcome], exit: Exit) -> bool:
    """Whether the verdicts show why the exit code is what it is; otherwise it has to be told for itself."""
    return exit.code == 0 or (exit.code in (1, 3) and any(outcome in ("failed", "error") for outcome in outcomes))
