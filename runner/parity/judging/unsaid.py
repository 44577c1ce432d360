"""How trials did not run what was asked, where no comparison and no verdict says so. Pure."""

from collections.abc import Iterator, Sequence

from parity.config import Config
from parity.gates import Evidence
from parity.judging.warnings import where
from parity.reading.departures import OF_THE_COUNT
from parity.records import Cell, Comparison, Departure, Trial, Verdict
from parity.units import plural


def departure_warnings(config: Config, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterator[str]:
    """A warning for each runtime and fact, with the first such sentence: a run that compares nothing and judges nothing
    has no other place for it. A difference that the config declares is no news, and neither is a fact that nothing
    shows."""
    refused = _refused(evidence.comparisons)
    judged: dict[tuple[str, str], set[str]] = {}
    for verdict in verdicts:
        judged.setdefault((verdict.model, verdict.test), set()).add(verdict.sentence)
    unsaid: dict[tuple[str, str], list[tuple[Cell, Departure, Trial]]] = {}
    for cell in evidence.measured.cells:
        for trial in evidence.measured.trials(cell):
            for departure in trial.departures:
                is_known = departure.unproven or _is_warned_of(departure)
                if is_known or evidence.intent.reason(departure.fact, cell[2]) is not None:
                    continue
                is_shown = any(departure.concerns(metric) for metric in refused.get(cell, ()))
                said = (*judged.get(cell[:2], ()), *trial.warnings)
                if not is_shown and not any(departure.sentence in text for text in said):
                    unsaid.setdefault((cell[2], departure.fact), []).append((cell, departure, trial))
    for found in unsaid.values():
        cell, departure, _ = found[0]
        trials = len({trial.file for other, _, trial in found if other == cell})
        others = len({other for other, _, _ in found}) - 1
        elsewhere = f", and likewise in {plural(others, 'other test')}" if others else ""
        yield (
            f"{where(config, cell)}: {departure.sentence} (in {plural(trials, 'trial')}{elsewhere}); a comparison or a "
            "gate would not accept the figures that depend on it"
        )


def _is_warned_of(departure: Departure) -> bool:
    """Whether a warning of the trial's number of tokens says the same."""
    return departure.fact == "tokens" and departure.metrics == OF_THE_COUNT


def _refused(comparisons: Sequence[Comparison]) -> dict[Cell, set[str]]:
    """Cell → the metrics of it that a report shows to be not comparable, with a reason; of a baseline too."""
    found: dict[Cell, set[str]] = {}
    for comparison in comparisons:
        if not comparison.comparable:
            for runtime in (comparison.runtime, comparison.baseline):
                found.setdefault((comparison.model, comparison.test, runtime), set()).add(comparison.metric)
    return found
