"""The noise floor: the baseline compared with itself in the same rounds. Pure.

It shows what difference this machine makes where there is none, such as that of whoever runs later. Every interval is
widened by it before it is judged.
"""

from collections.abc import Mapping, Sequence

from parity.compare.comparing import Floors, compare
from parity.compare.identity import Intent
from parity.compare.measured import Measured
from parity.reading.dictionary import METRICS
from parity.records import Cell, Floor, Trial, TrialKind
from parity.stats import Looks

ITSELF = "the baseline itself"
"""What stands for the baseline's second place of each round where both are compared."""

_KINDS: Mapping[TrialKind, TrialKind] = {"floor": "full", "floor-short": "short"}

EVERY = {metric: [definition.id for definition in spec.definitions] for metric, spec in METRICS.items()}


def second_side(trials: Sequence[Trial]) -> list[Trial]:
    """The trials of the baseline's second place of each round, as those of a runtime of its own."""
    return [trial.but(runtime=ITSELF, kind=_KINDS[trial.kind]) for trial in trials if trial.kind in _KINDS]


def floors(trials: Sequence[Trial], second: Sequence[Trial], baseline: str, looks: Looks, intent: Intent) -> Floors:
    """Of every ratio that the baseline has with itself. `second`: what `second_side` gave, complete. `intent`: what the
    config declares; what is intended between two runtimes does not keep the baseline from being compared with
    itself, for a floor only ever widens."""
    found: dict[tuple[str, str, str, str], Floor | str] = {}
    cells: dict[Cell, None] = {(trial.model, trial.test, ITSELF): None for trial in second}
    of_baseline = [trial for trial in trials if trial.runtime == baseline and trial.kind not in _KINDS]
    own = Intent([d.but(runtimes=(*d.runtimes, baseline, ITSELF)) for d in intent.declarations])
    measured = Measured([*of_baseline, *second])
    for comparison in compare(measured, list(cells), baseline, own, looks, asked=EVERY):
        if comparison.definition is None:
            continue
        key = (comparison.model, comparison.test, comparison.metric, comparison.definition)
        if comparison.ratio is None:
            found[key] = comparison.reason or "it has no ratio"
            continue
        ratios = tuple(one / other for one, other in zip(comparison.ours, comparison.theirs, strict=True))
        found[key] = Floor(
            ratio=comparison.ratio, rounds=comparison.rounds, ratios=ratios, interval=comparison.interval
        )
    return found
