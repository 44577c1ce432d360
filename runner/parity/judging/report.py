"""From the facts and trials of a run to its report. Pure: the same input gives the same report."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from parity.adapter import Availability
from parity.compare import fact_rows, summarise
from parity.config import LoadedConfig, test_spec
from parity.judging.evidence import Circumstances, evidence_of
from parity.judging.exit import exit_of
from parity.judging.outputs import output_verdicts
from parity.judging.selection import not_selected, without_baseline
from parity.judging.settings import settings_of
from parity.judging.unasked import differing_outputs, unasked_verdicts
from parity.judging.unsaid import departure_warnings
from parity.judging.verdict import verdicts
from parity.judging.warnings import (
    budgets_of,
    clock_warnings,
    figure_warnings,
    first_round_warnings,
    memory_warnings,
    notices,
    trial_warnings,
)
from parity.records import Cell, ModelFacts, NotRun, Report, RuntimeReport, Scalar, Slot, Trial
from parity.redaction import REDACTED, SECRET


@dataclass(frozen=True)
class RunFacts:
    """What a report says of a run beyond its trials.

    `started`: ISO 8601, UTC. `runtimes`: every runtime that is set → whether it could be used. `cells`: those
    that the config asks for. `not_run`: those of which not all trials ran.
    `spawned`: how many trials got a process. `proofs`: runtime → the seconds that it took on a tiny model for its first
    token, on a CPU. `no_exact`: models of which the exact arm was asked for, and why they have none. `libraries`:
    runtime → the libraries that it is built with and that decide what it computes. `not_begun`: the trials that score
    and were due, of which none was run, with why. `own_models`: runtime → the model that it loads in place of that of
    `[[models]]`."""

    name: str
    started: str
    parity_version: str
    loaded: LoadedConfig
    models: tuple[ModelFacts, ...]
    machine: Mapping[str, Scalar]
    runtimes: Mapping[str, Availability]
    cells: tuple[Cell, ...]
    not_run: tuple[NotRun, ...]
    spawned: int
    interrupted: bool
    proofs: Mapping[str, float | None] = field(default_factory=dict)
    no_exact: Mapping[str, str] = field(default_factory=dict)
    libraries: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    not_begun: Sequence[tuple[Slot, str]] = ()
    own_models: Mapping[str, ModelFacts] = field(default_factory=dict)


def judge(facts: RunFacts, trials: Sequence[Trial]) -> Report:
    """Everything that is computed from a run: summaries, comparisons, verdicts, warnings and the exit code."""
    config = facts.loaded.config
    not_run = {(entry.model, entry.test, entry.runtime): entry for entry in facts.not_run}
    devices = {name: found.device for name, found in facts.runtimes.items() if found.device is not None}
    around = Circumstances(str(facts.machine["platform"]), devices, not_run, facts.proofs)
    cells = _in_order_of_config(facts.loaded, facts.cells)
    evidence = evidence_of(facts.loaded, trials, cells, around)
    judged_outputs = output_verdicts(config, evidence, facts.models, facts.no_exact, facts.libraries, facts.not_begun)
    outputs = dict(judged_outputs)
    evidence = replace(evidence, outputs=outputs)
    evidence = replace(evidence, unasked=dict(unasked_verdicts(config, evidence, facts.models)))
    trials, measured, intent = evidence.trials, evidence.measured, evidence.intent
    runtimes = tuple(_runtime_report(facts, name, trials) for name in config.runtimes)
    judged = (*verdicts(config, evidence), *without_baseline(facts.loaded))
    left_out = not_selected(facts.loaded)
    known = {name: dict(_known_of(facts, name)) for name in config.runtimes}
    return Report(
        run=facts.name,
        name=config.name,
        started=facts.started,
        parity_version=facts.parity_version,
        config_sha256=facts.loaded.sha256,
        config_file=facts.loaded.file,
        options=facts.loaded.choices.shown,
        not_selected=left_out,
        baseline=config.baseline,
        interrupted=facts.interrupted,
        machine=dict(facts.machine),
        models=facts.models,
        tests=tuple(test_spec(facts.loaded, test) for test in config.tests),
        runtimes=runtimes,
        trials=tuple(trials),
        void=tuple(evidence.void),
        conditions=config.conditions,
        not_run=facts.not_run,
        summaries=tuple(summarise(measured, cells, evidence.looks)),
        comparisons=tuple(evidence.comparisons),
        facts=tuple(
            row
            for model, test, runtime in cells
            if runtime != config.baseline
            for row in fact_rows(measured, (model, test, runtime), (model, test, config.baseline), intent, known)
        ),
        verdicts=judged,
        score_trials=(*evidence.scored, *evidence.exact),
        outputs=tuple(outputs.values()),
        warnings=(
            *differing_outputs(config, evidence, judged),
            *departure_warnings(config, evidence, judged),
            *memory_warnings((*facts.models, *facts.own_models.values()), facts.machine),
            *clock_warnings((*trials, *evidence.void, *evidence.scored, *evidence.exact)),
            *trial_warnings(config, trials, budgets_of(config)),
            *first_round_warnings(config, trials),
            *figure_warnings(config, measured, cells),
            *notices(config.runtime_title, (*trials, *evidence.scored, *evidence.exact)),
        ),
        page=config.report,
        exit=exit_of(
            evidence,
            judged,
            interrupted=facts.interrupted,
            started=facts.spawned,
            gates=len((facts.loaded.whole or config).gates),
            cells=cells,
            left_out=left_out,
        ),
    )


def _runtime_report(facts: RunFacts, name: str, trials: Sequence[Trial]) -> RuntimeReport:
    config, found = facts.loaded.config, facts.runtimes.get(name)
    settings = settings_of(trials, name)
    device = settings.get("device") or (found.device if found else None)
    return RuntimeReport(
        name=name,
        title=config.runtime_title(name),
        adapter=config.runtimes[name].adapter,
        role="baseline" if name == config.baseline else "implementation",
        status="not set" if found is None else "ready" if found.ready else "unavailable",
        version=found.version if found else None,
        checkout=found.checkout if found else None,
        device=str(device) if device is not None else None,
        model=facts.own_models.get(name),
        reason=found.reason if found else facts.loaded.why_not_set(name),
        remedy=found.remedy if found else None,
        settings=settings,
        libraries=dict(facts.libraries.get(name, {})),
    )


def _known_of(facts: RunFacts, name: str) -> Iterator[tuple[str, str]]:
    """The facts of a runtime that hold for all of its trials."""
    found, env = facts.runtimes.get(name), facts.loaded.config.runtimes[name].env
    if found is not None and found.version is not None:
        yield "version", found.version
    if found is not None and found.checkout is not None:
        yield "commit", str(found.checkout)
    if env:
        yield "env", " ".join(f"{key}={REDACTED if SECRET.search(key) else value}" for key, value in env.items())


def _in_order_of_config(loaded: LoadedConfig, cells: Iterable[Cell]) -> list[Cell]:
    config = loaded.config
    models, tests = [m.name for m in config.models], [t.name for t in config.tests]
    runtimes = list(config.runtimes)
    return sorted(cells, key=lambda cell: (models.index(cell[0]), tests.index(cell[1]), runtimes.index(cell[2])))
