"""The noise floor: the baseline compared with itself in the same rounds. Pure.

It shows what difference this machine makes where there is none, such as that of whoever runs later. Every interval is
widened by it before it is judged.
"""

from collections.abc import Mapping, Sequence

from parity.compare.comparing import compare
from parity.compare.measured import Measured
from parity.records import Cell, Floor, Trial, TrialKind
from parity.stats import Looks

ITSELF = "the baseline itself"
"""What stands for the baseline's second place of each round where both are compared."""

_KINDS: Mapping[TrialKind, TrialKind] = {"floor": "full", "floor-short": "short"}

Floors = Mapping[tuple[str, str, str, str], Floor]
"""Model, test, metric and definition → the floor."""


def second_side(trials: Sequence[Trial]) -> list[Trial]:
    """The trials of the baseline's second place of each round, as those of a runtime of its own."""
    return [trial.but(runtime=ITSELF, kind=_KINDS[trial.kind]) for trial in trials if trial.kind in _KINDS]


def floors(trials: Sequence[Trial], second: Sequence[Trial], baseline: str, looks: Looks) -> Floors:
    """Of every ratio that the baseline has with itself. `second`: what `second_side` gave, complete."""
    found = {}
    cells: dict[Cell, None] = {(trial.model, trial.test, ITSELF): None for trial in second}
    of_baseline = [trial for trial in trials if trial.runtime == baseline and trial.kind not in _KINDS]
    for comparison in compare(Measured([*of_baseline, *second]), list(cells), baseline, looks=looks):
        if comparison.ratio is not None and comparison.definition is not None:
            key = (comparison.model, comparison.test, comparison.metric, comparison.definition)
            ratios = tuple(one / other for one, other in zip(comparison.ours, comparison.theirs, strict=True))
            found[key] = Floor(
                ratio=comparison.ratio, rounds=comparison.rounds, ratios=ratios, interval=comparison.interval
            )
    return found
