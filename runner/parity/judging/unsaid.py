"""How trials did not run what was asked, where no comparison and no verdict says so. Pure."""

from collections.abc import Iterator, Sequence

from parity.config import Config
from parity.gates import Evidence
from parity.judging.warnings import where
from parity.reading.departures import OF_THE_COUNT
from parity.records import Cell, Departure, Trial, Verdict
from parity.units import plural


def departure_warnings(config: Config, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterator[str]:
    """A warning for each runtime and fact, with the first such sentence: a run that compares nothing and judges nothing
    has no other place for it. A difference that the config declares is no news, and neither is a fact that nothing
    shows."""
    said = _said(evidence, verdicts)
    unsaid: dict[tuple[str, str], list[tuple[Cell, Departure, Trial]]] = {}
    for cell in evidence.measured.cells:
        for trial in evidence.measured.trials(cell):
            for departure in trial.departures:
                is_known = departure.unproven or _is_warned_of(departure)
                if is_known or evidence.intent.reason(departure.fact, cell[2]) is not None:
                    continue
                if not any(departure.sentence in text for text in (*said.get(cell[:2], ()), *trial.warnings)):
                    unsaid.setdefault((cell[2], departure.fact), []).append((cell, departure, trial))
    for found in unsaid.values():
        cell, departure, _ = found[0]
        trials = len({trial.file for _, _, trial in found})
        yield (
            f"{where(config, cell)}: {departure.sentence} (in {plural(trials, 'trial')}); a comparison or a gate would "
            "not accept the figures that depend on it"
        )


def _is_warned_of(departure: Departure) -> bool:
    """Whether a warning of the trial's number of tokens says the same."""
    return departure.fact == "tokens" and departure.metrics == OF_THE_COUNT


def _said(evidence: Evidence, verdicts: Sequence[Verdict]) -> dict[tuple[str, str], list[str]]:
    """Model and test → what comparisons and verdicts on them say."""
    said: dict[tuple[str, str], list[str]] = {}
    for comparison in evidence.comparisons:
        if comparison.reason is not None:
            said.setdefault((comparison.model, comparison.test), []).append(comparison.reason)
    for verdict in verdicts:
        said.setdefault((verdict.model, verdict.test), []).append(verdict.sentence)
    return {pair: list(dict.fromkeys(texts)) for pair, texts in said.items()}
