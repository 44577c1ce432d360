"""What the gates of a run are judged by, and which of them more rounds may still decide. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from parity.compare import Measured, compare
from parity.compare.floor import floors, second_side
from parity.config import Config, LoadedConfig
from parity.gates import Evidence, Gate, Judgement
from parity.gates.figure import figure
from parity.judging.bursts import with_bursts
from parity.judging.caches import with_prompt_caches
from parity.judging.departures import with_departures
from parity.judging.intent import intent_of
from parity.judging.verdict import cells_of, judgement_on
from parity.judging.voids import settled
from parity.judging.warnings import budgets_of
from parity.reading.dictionary import METRICS
from parity.reading.metrics.two_budgets import with_two_budgets
from parity.reading.stamps import contradicted, systematic
from parity.records import Cell, NotRun, Trial
from parity.stats import family_tail

SPEEDS = ("prompt_tps", "gen_tps")
"""The metrics of `rounds.within`."""

Pair = tuple[str, str]
"""Model and test."""


@dataclass(frozen=True)
class Circumstances:
    """What verdicts depend on beside config and trials. `devices`: runtime → the device that its probe names. `proofs`:
    runtime → the seconds that it took on a tiny model for its first token."""

    platform: str
    devices: Mapping[str, str] = field(default_factory=dict)
    not_run: Mapping[Cell, NotRun] = field(default_factory=dict)
    proofs: Mapping[str, float | None] = field(default_factory=dict)


def evidence_of(
    loaded: LoadedConfig,
    trials: Sequence[Trial],
    cells: Sequence[Cell],
    around: Circumstances,
    metrics: Sequence[str] = tuple(METRICS),
) -> Evidence:
    """The trials that count, with all that is computed of them but the outputs. `cells`: those that are compared with
    the baseline, in the given metrics."""
    config = loaded.config
    kept, void = settled([trial for trial in trials if trial.task == "generate"])
    budgets, looks = budgets_of(config), config.rounds.looks
    steady = systematic(kept)
    stamped = contradicted(with_two_budgets(steady, budgets))
    scored = [trial for trial in trials if trial.task == "score"]
    compared = with_departures((*with_bursts(stamped, config.baseline), *scored), config.baseline)
    scored = [trial for trial in compared if trial.task == "score" and trial.kind != "exact"]
    counting = with_prompt_caches([trial for trial in compared if trial.task == "generate"], around.proofs)
    measured = Measured(counting, around.not_run)
    intent = intent_of(loaded)
    second = with_two_budgets(second_side(steady), budgets) if config.floor else ()
    floor = floors(counting, second, config.baseline, looks, intent) if config.floor else None
    return Evidence(
        baseline=config.baseline,
        trials=counting,
        void=void,
        scored=scored,
        exact=[trial for trial in compared if trial.kind == "exact"],
        comparisons=tuple(compare(measured, cells, config.baseline, intent, looks, metrics, floor, _asked(config))),
        platform=around.platform,
        devices=around.devices,
        unset=frozenset(loaded.not_set),
        not_run=around.not_run,
        intent=intent,
        looks=looks,
        fail_tail=family_tail(_interval_verdicts(config, loaded.not_set)),
        greedy=frozenset(test.name for test in config.tests if test.temperature == 0),
    )


@dataclass(frozen=True)
class Standing:
    """What a required gate comes to on a cell while rounds still run. `figure`: its value with the interval, as it is
    written; empty where it has none."""

    gate: str
    cell: Cell
    judgement: Judgement
    figure: str = ""


def standings(
    loaded: LoadedConfig, trials: Sequence[Trial], pair: Pair, around: Circumstances, lost: Mapping[Cell, object]
) -> list[Standing]:
    """How the required gates stand that rounds of a model and test decide, and the ratios that are to be known more
    closely. `lost`: cells that get no more trials."""
    due = [
        (gate, cell)
        for gate, cell in required_verdicts(loaded.config, loaded.not_set)
        if cell[:2] == pair
        and gate.over_rounds
        and not any(c in lost for c in gate.cells(cell, loaded.config.baseline))
    ]
    measured = _measured_within(loaded, pair, lost)
    if not due and not measured:
        return []
    cells = list(dict.fromkeys((*(cell for _, cell in due), *measured)))
    metrics = list(dict.fromkeys(gate.judged_metric for gate, _ in due if gate.judged_metric and gate.compares))
    metrics += [metric for metric in SPEEDS if measured and metric not in metrics]
    mine = [trial for trial in trials if (trial.model, trial.test) == pair]
    evidence = evidence_of(loaded, mine, cells, around, metrics)
    gates = [_standing(gate, cell, judgement_on(gate, cell, evidence)) for gate, cell in due]
    wide = [(metric, cell) for cell in measured for metric in SPEEDS if _is_wide(loaded, evidence, cell, metric)]
    return [*gates, *(_too_wide(loaded, evidence, cell, metric) for metric, cell in wide)]


def _standing(gate: Gate, cell: Cell, judged: Judgement) -> Standing:
    shown = "" if judged.value is None else figure(gate.kind, gate.judged_metric, judged.value, judged.interval)
    return Standing(gate.name, cell, judged, shown)


def _too_wide(loaded: LoadedConfig, evidence: Evidence, cell: Cell, metric: str) -> Standing:
    """How a ratio stands that is to be known more closely."""
    found = evidence.comparison(cell, metric)
    shown = figure("ratio", metric, found.ratio, found.interval) if found is not None and found.ratio else ""
    judged = Judgement("INCONCLUSIVE", "", open=True, bounds=f"to within {loaded.config.rounds.within or 0:.0%}")
    return Standing(metric, cell, judged, shown)


def _measured_within(loaded: LoadedConfig, pair: Pair, lost: Mapping[Cell, object]) -> list[Cell]:
    """The cells of a model and test whose ratios are to be known to within a share."""
    config = loaded.config
    if config.rounds.within is None or (*pair, config.baseline) in lost:
        return []
    cells: list[Cell] = [(*pair, name) for name in config.implementations if name not in loaded.not_set]
    return [cell for cell in cells if cell not in lost]


def _is_wide(loaded: LoadedConfig, evidence: Evidence, cell: Cell, metric: str) -> bool:
    """Whether a ratio is known less closely than asked. What can't be compared is no better known after more rounds."""
    found, within = evidence.comparison(cell, metric), loaded.config.rounds.within
    if found is None or found.ratio is None or within is None or not found.comparable:
        return False
    if found.interval is None:
        return True
    return max(found.interval.high / found.ratio, found.ratio / max(found.interval.low, 1e-12)) > 1 + within


def required_verdicts(config: Config, unset: Sequence[str] = ()) -> Iterator[tuple[Gate, Cell]]:
    """Each required gate with each cell that it judges."""
    for gate in config.gates:
        if gate.required:
            yield from ((gate, cell) for cell in cells_of(config, gate) if cell[2] not in unset)


def _asked(config: Config) -> dict[str, set[str]]:
    """Metric → the definitions of it that gates name."""
    found: dict[str, set[str]] = {}
    for gate in config.gates:
        if gate.judged_metric is not None and gate.judged_definition is not None:
            found.setdefault(gate.judged_metric, set()).add(gate.judged_definition)
    return found


def _interval_verdicts(config: Config, unset: Sequence[str]) -> int:
    return sum(gate.over_rounds for gate, _ in required_verdicts(config, unset))
