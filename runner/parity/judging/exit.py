"""parity's exit code, from the verdicts of a run. Pure."""

from collections.abc import Sequence

from parity.gates import Evidence
from parity.records import Exit, Verdict


def exit_of(evidence: Evidence, verdicts: Sequence[Verdict], *, interrupted: bool, started: int) -> Exit:
    """The first line of the table of exit codes that applies. `started`: how many trials got a process."""
    judged = [v for v in verdicts if v.required and v.verdict != "NOT APPLICABLE"]
    if interrupted:
        return Exit(code=130, reason="interrupted; what was measured is kept")
    if started == 0:
        return Exit(code=5, reason="nothing ran")
    if failed := [v for v in judged if v.verdict == "FAIL"]:
        return Exit(code=1, reason=f"required gates failed: {_named(failed)}")
    if broken := _required_failures(evidence, judged):
        return Exit(code=4, reason=f"required trials failed: {broken}")
    if absent := [v for v in judged if v.verdict == "NOT RUN"]:
        return Exit(code=4, reason=f"required gates were not run: {_named(absent)}")
    if fell_away := [v for v in verdicts if v.required and v.fell_away]:
        return Exit(code=4, reason=f"required gates apply on a different device: {_named(fell_away)}")
    if not judged:
        return Exit(code=4, reason="no required gate was judged")
    if undecided := [v for v in judged if v.verdict in ("INCONCLUSIVE", "NOT COMPARABLE")]:
        return Exit(code=3, reason=f"required gates are undecided: {_named(undecided)}")
    return Exit(code=0, reason=f"every required gate passed ({len({v.gate for v in judged})})")


def _required_failures(evidence: Evidence, judged: Sequence[Verdict]) -> str:
    """Failed trials that a required gate reads: those of its own cell, and the baseline's where it compares."""
    read = {(v.model, v.test, v.runtime) for v in judged}
    read |= {(v.model, v.test, evidence.baseline) for v in judged if v.compares}
    failed = {
        f"{t.runtime} on {t.test} ({t.failure.kind})": None
        for t in evidence.trials
        if t.failure is not None and t.void is None and t.cell in read
    }
    return ", ".join(failed)


def _named(verdicts: Sequence[Verdict]) -> str:
    return ", ".join(dict.fromkeys(f"{v.gate} ({v.runtime}, {v.test})" for v in verdicts))
