"""What one cell computed in two runs, compared as within a run: the first run in the place of the baseline. Pure."""

from dataclasses import dataclass

from parity.judging.past import FIRST, SECOND, Runs
from parity.outputs import Compared, judge_outputs
from parity.records import OWN, SHARED, Cell, OutputVerdict, Report, TestSpec

ASKED = ("prompt", "raw", "max_tokens", "ignore_end", "sampling")
"""Fields of a test that decide what is computed."""


@dataclass(frozen=True)
class OutputsAcross:
    """`found`: the rungs and the verdict that they give, the first run in the place of the baseline; None where the
    outputs can't be compared, with `reason`."""

    model: str
    test: str
    runtime: str
    found: OutputVerdict | None
    reason: str | None


def outputs_across(runs: Runs, cell: Cell) -> OutputsAcross:
    """The outputs of a cell in the second run beside those in the first."""
    reason = _other_work(runs, cell)
    found = judge_outputs(compared_across(runs, cell), SECOND) if reason is None else None
    if found is None and reason is None:
        reason = "one of the runs has no trial that gave a result"
    return OutputsAcross(*cell, found=found, reason=reason)


def compared_across(runs: Runs, cell: Cell) -> Compared:
    """What a cell shows in both runs. Of the trials that score, those of the sequence that all score and those of the
    cell's own answer: the texts of other runtimes are not the same in both runs."""
    reports = runs.first.report, runs.second.report
    scored = runs.scored(cell)
    return Compared(
        model=cell[0],
        test=cell[1],
        baseline=FIRST,
        trials=runs.trials(cell),
        scored=[trial for trial in scored if trial.kind == "full" and trial.round in (SHARED, OWN)],
        asked=bool(scored),
        greedy=all(_test(report, cell).sampling.temperature == 0 for report in reports),
        quantisation=next((m.quantisation for m in reports[1].models if m.name == cell[0]), {}),
        libraries={
            name: runtime.libraries
            for name, report in zip((FIRST, SECOND), reports, strict=True)
            for runtime in report.runtimes
            if runtime.name == cell[2] and runtime.libraries
        },
        # Two runs may have had different weights under one name.
        own_models={SECOND},
    )


def _other_work(runs: Runs, cell: Cell) -> str | None:
    """That the two runs did not ask for the same; None where they did."""
    one, other = (_test(run.report, cell) for run in (runs.first, runs.second))
    changed = [field for field in ASKED if getattr(one, field) != getattr(other, field)]
    return f"the test was changed between the runs ({', '.join(changed)})" if changed else None


def _test(report: Report, cell: Cell) -> TestSpec:
    return next(test for test in report.tests if test.name == cell[1])
