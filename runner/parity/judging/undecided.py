"""What keeps a run that is over from a verdict on a ratio, whatever its gates ask for. Pure."""

from dataclasses import replace

from parity.compare import Intent
from parity.gates import Evidence
from parity.gates.busy import busy_machine, uneven_voids
from parity.gates.ratio import missing_rounds
from parity.judging.outputs import compared_by
from parity.outputs import judge_outputs
from parity.reading.dictionary import only_a_bound
from parity.records import Cell, Comparison, Report
from parity.stats import Looks


def evidence_in(report: Report, intent: Intent, looks: Looks) -> Evidence:
    """What the verdicts of a report that was just computed rest on, as far as ratios and outputs need it."""
    return Evidence(
        baseline=report.baseline,
        trials=report.trials,
        comparisons=report.comparisons,
        platform=str(report.machine.get("platform", "")),
        devices={},
        not_run={(entry.model, entry.test, entry.runtime): entry for entry in report.not_run},
        intent=intent,
        looks=looks,
        greedy=frozenset(test.name for test in report.tests if test.sampling.temperature == 0),
        void=report.void,
        outputs={(found.model, found.test, found.runtime): found for found in report.outputs},
    )


def why_undecided(evidence: Evidence, comparison: Comparison) -> str | None:
    """Why a gate on the ratio would be undecided although there is one: what was measured may be a selection, or the
    machine was busy. None where a gate would be judged."""
    cell = comparison.model, comparison.test, comparison.runtime
    read = ((*cell[:2], evidence.baseline), cell)
    for one in read:
        if (why := evidence.missing(one) or evidence.lost_rounds(one)) is not None:
            return why
    if bound := only_a_bound(comparison.metric, comparison.definition or ""):
        return f"{comparison.definition} gives only {'an' if bound == 'upper' else 'a'} {bound} bound"
    trials = [trial for one in read for trial in evidence.of(one)]
    return (
        missing_rounds(comparison, cell, evidence)
        or busy_machine(comparison.metric, trials)
        or uneven_voids(read, evidence.beside(cell), evidence.void)
    )


def wrong_outputs(report: Report, evidence: Evidence, cell: Cell) -> str | None:
    """How the outputs of a cell keep its speeds from counting: as its gate on outputs says, or, without one, as its
    trials show by themselves. None where they do not."""
    if (asked := evidence.outputs.get(cell)) is not None:
        return None if asked.counts else asked.verdict
    quantisation = next((model.quantisation for model in report.models if model.name == cell[0]), {})
    found = judge_outputs(replace(compared_by(cell, evidence, quantisation), asked=False), cell[2])
    return found.verdict if found is not None and found.verdict in ("DRIFT", "WRONG") else None
