"""What both sides ran, what that means for a metric, and how trials departed from what was asked. Pure."""

from collections.abc import Iterable

from parity.explain.records import Fact
from parity.judging.settings import merged
from parity.reading.dictionary import METRICS
from parity.reading.facts import FACTS, facts_in
from parity.records import FactRow, Identity, Report, Scalar, Trial
from parity.report.index import CellResults
from parity.units import plural

_STANDINGS = {
    "equal": "equal",
    "shown": "shown, may differ",
    "differs": "differs",
    "declared": "declared",
    "unproven": "not known to be equal",
}


def facts_of(report: Report, found: CellResults, base: CellResults | None, metric: str) -> tuple[Fact, ...]:
    """Every fact of a cell beside the baseline's; of the baseline's own cell, its own."""
    if base is None:
        own = _facts(found)
        return tuple(Fact(fact=name, value=value, baseline=None, standing="") for name, value in own.items())
    of_cell = {t.cell for t in found.trials}
    return tuple(
        Fact(fact=_title(row.fact), value=row.ours, baseline=row.theirs, standing=_standing(row, metric))
        for row in report.facts
        if (row.model, row.test, row.runtime) in of_cell
    )


def departures_of(sides: Iterable[CellResults], metric: str) -> tuple[str, ...]:
    """How trials departed from what was asked, each way once with its rounds, where it concerns the metric."""
    rounds: dict[tuple[str, str, str], list[Trial]] = {}
    for side in sides:
        for trial in side.trials:
            for departure in trial.departures:
                if departure.concerns(metric):
                    rounds.setdefault((side.name, departure.fact, departure.sentence), []).append(trial)
    return tuple(
        f"{name}, {_title(fact)}: {sentence} (in {plural(len(trials), 'trial')}, first in {trials[0].file})"
        for (name, fact, sentence), trials in rounds.items()
    )


def _standing(row: FactRow, metric: str) -> str:
    known = FACTS.get(row.fact)
    if known is not None and not known.concerns(METRICS[metric]):
        return "this metric does not depend on it"
    reason = f": {row.reason}" if row.reason and row.state != "equal" else ""
    return f"{_STANDINGS[row.state]}{reason}"


def _title(fact: str) -> str:
    return FACTS[fact].title if fact in FACTS else fact


def _facts(side: CellResults) -> dict[str, Scalar]:
    known = [trial.identity for trial in side.measured_trials() if trial.identity is not None]
    named = [{_title(name): value for name, value in facts_in(identity.settings).items()} for identity in known]
    return merged([_own(identity) for identity in known]) | merged(named)


def _own(identity: Identity) -> dict[str, Scalar]:
    """What every trial shows, or should show."""
    return {
        "weights": identity.weights_sha256,
        "prompt ids": identity.prompt_ids_sha256,
        "prompt tokens": identity.prompt_tokens,
        "generated tokens": identity.generated_tokens,
        "sampling": identity.sampling,
    }
