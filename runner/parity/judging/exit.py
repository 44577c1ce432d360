"""parity's exit code, from the verdicts of a run. Pure."""

from collections.abc import Iterable, Sequence

from parity.gates import Evidence
from parity.records import Cell, Exit, Report, Trial, Verdict

ABSENT = ("unavailable", "build")
"""Kinds of `NotRun` of a runtime that can't run here."""


def exit_of(
    evidence: Evidence,
    verdicts: Sequence[Verdict],
    *,
    interrupted: bool,
    started: int,
    gates: int,
    cells: Sequence[Cell],
    left_out: Sequence[str] = (),
) -> Exit:
    """The first line of the table of exit codes that applies. `started`: how many trials got a process. `gates`: how
    many the config has, of which some may judge no cell. `cells`: those that were to be measured. `left_out`: what of
    the gates is on nothing that was selected."""
    besides = f"; not selected, so not judged: {', '.join(left_out)}" if left_out else ""
    judged = [v for v in verdicts if v.required and v.verdict != "NOT APPLICABLE"]
    if interrupted:
        return Exit(code=130, reason="interrupted; what was measured is kept")
    if started == 0:
        return Exit(code=5, reason="nothing ran")
    if not gates:
        return _of_a_measurement(evidence, cells)
    if failed := [v for v in judged if v.verdict == "FAIL"]:
        return Exit(code=1, reason=f"required gates failed: {_named(failed)}")
    if broken := _required_failures(evidence, judged):
        return Exit(code=4, reason=f"required trials failed: {broken}")
    if gone := _absent_baselines(evidence, judged):
        return Exit(code=4, reason=f"there was no baseline to compare with: {gone}")
    if absent := [v for v in judged if v.verdict == "NOT RUN"]:
        return Exit(code=4, reason=f"required gates were not run: {_named(absent)}")
    if fell_away := [v for v in verdicts if v.required and v.fell_away]:
        return Exit(code=4, reason=f"required gates apply on a different device: {_named(fell_away)}")
    if not judged:
        return Exit(code=4, reason=f"no required gate was judged{besides}")
    if undecided := [v for v in judged if v.verdict in ("INCONCLUSIVE", "NOT COMPARABLE")]:
        return Exit(code=3, reason=f"required gates are undecided: {_named(undecided)}")
    return Exit(code=0, reason=f"every required gate passed ({len({v.gate for v in judged})}){besides}")


WORDS = {
    0: "Passed",
    1: "Failed",
    3: "Not decided",
    4: "Incomplete",
    5: "Nothing ran",
    74: "Cut off",
    130: "Interrupted",
}
"""Exit code → what a run came to, in a word."""

MEASURED = "Measured"
"""The word of a run that succeeded and had nothing to judge."""

ENDED = "Ended"
"""The word of a code that this version does not know."""


def word_of(code: int, *, judged: bool) -> str:
    """What a run came to, in a word. `judged`: it has verdicts."""
    return MEASURED if code == 0 and not judged else WORDS.get(code, ENDED)


def passing(report: Report) -> Exit:
    """The exit of a run whose job takes INCONCLUSIVE for no failure. No verdict changes, and no other code."""
    open_ones = [v for v in report.verdicts if v.required and v.verdict in ("INCONCLUSIVE", "NOT COMPARABLE")]
    if report.exit.code != 3 or any(v.verdict == "NOT COMPARABLE" for v in open_ones):
        return report.exit
    return Exit(code=0, reason=f"--inconclusive-ok, although {report.exit.reason}")


def _of_a_measurement(evidence: Evidence, cells: Sequence[Cell]) -> Exit:
    """Of a config without gates: every runtime that it names was to be measured in every trial."""
    if failed := _failures(evidence.trials):
        return Exit(code=4, reason=f"the config has no gates, and trials failed: {failed}")
    if absent := {f"{entry.runtime} on {entry.test} ({entry.reason})": None for entry in evidence.not_run.values()}:
        return Exit(code=4, reason=f"the config has no gates, and not every trial ran: {', '.join(absent)}")
    if late := {_failed_as(t): None for cell in cells for t in evidence.run_again(cell)[1]}:
        busy = f"on a busy machine trials failed, and no later attempt succeeded: {', '.join(late)}"
        return Exit(code=4, reason=f"the config has no gates, and {busy}")
    if empty := {f"{cell[2]} on {cell[1]}": None for cell in cells if not evidence.good_rounds(cell)}:
        return Exit(code=4, reason=f"the config has no gates, and no measured trial gave a result: {', '.join(empty)}")
    return Exit(code=0, reason="the config has no gates, and every trial succeeded")


def _required_failures(evidence: Evidence, judged: Sequence[Verdict]) -> str:
    """Failed trials that a required gate reads: those of its own cell, and the baseline's where it compares. Where each
    trial of the baseline failed, there is nothing to compare with, and that is no success whatever the gates read."""
    read = {(v.model, v.test, v.runtime) for v in judged}
    read |= {(v.model, v.test, evidence.baseline) for v in judged if v.compares}
    gave = {t.cell for t in evidence.trials if t.failure is None}
    read |= {(v.model, v.test, evidence.baseline) for v in judged} - gave
    return _failures(t for t in evidence.trials if t.cell in read)


def _failures(trials: Iterable[Trial]) -> str:
    """Each cell with the way in which trials of it failed that count."""
    return ", ".join(dict.fromkeys(_failed_as(t) for t in trials if t.failure is not None and t.void is None))


def _failed_as(trial: Trial) -> str:
    """`other on t (stall)`"""
    return f"{trial.runtime} on {trial.test} ({trial.failure.kind if trial.failure else 'no failure'})"


def _absent_baselines(evidence: Evidence, judged: Sequence[Verdict]) -> str:
    """The baseline where it can't run here: without it, no gate that passes is a comparison that went well."""
    pairs = dict.fromkeys((v.model, v.test) for v in judged)
    absent = {pair: evidence.not_run.get((*pair, evidence.baseline)) for pair in pairs}
    named = (f"{evidence.baseline} on {test}" for (_, test), left in absent.items() if left and left.kind in ABSENT)
    return ", ".join(dict.fromkeys(named))


def _named(verdicts: Sequence[Verdict]) -> str:
    return ", ".join(dict.fromkeys(f"{v.gate} ({v.runtime}, {v.test})" for v in verdicts))
