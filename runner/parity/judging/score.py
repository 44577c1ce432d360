"""From a run folder to its report: reads transcripts, and computes every number and verdict again from them."""

import errno
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from parity.adapter import Adapter, Availability, checkout
from parity.adapter.events import Event, Prompt
from parity.compare import Measured, compare, summarise
from parity.config import LoadedConfig, test_spec
from parity.errors import ReadError, RunFolderError
from parity.hosts.machine import host_facts
from parity.judging.verdict import Evidence, exit_of, judge
from parity.models.tokenizer import Encode, load_encoder
from parity.reading import identity as ledger
from parity.reading import outcome
from parity.reading.measure import measure
from parity.reading.two_budgets import with_two_budgets
from parity.records import Cell, Failure, Job, Measurement, Report, RuntimeReport, Scalar, Trial
from parity.registry import UnknownAdapterError, adapter_class
from parity.report.rows import rounds_of
from parity.run.log import RunFolder, RunRecord
from parity.run.schedule import PlannedTrial, cells_of
from parity.transcript import Transcript, read_transcript

NEVER_ASKED = Availability(ready=False, reason="the run was interrupted before it was asked")
"""Of a runtime about which nothing is known: its trials did not run, and nothing failed."""


def _cancelled(transcript: Transcript) -> bool:
    if transcript.no_spawn is not None:
        return transcript.no_spawn.errno == errno.ECANCELED
    return transcript.end is None or transcript.end.by == "cancel"


def make_adapters(loaded: LoadedConfig) -> dict[str, Adapter[Any]]:
    """Runtime → its adapter with its settings, for every runtime that is set.

    Raises:
        RunFolderError: an adapter that the config names is not installed here.
    """
    adapters: dict[str, Adapter[Any]] = {}
    for name, runtime in loaded.config.runtimes.items():
        if name in loaded.not_set:
            continue
        try:
            cls = adapter_class(runtime.adapter)
        except UnknownAdapterError as error:
            raise RunFolderError(f"runtimes.{name}: {error.args[0]}; {error.args[1]}") from error
        adapters[name] = cls(cls.Settings.model_validate(loaded.settings[name], strict=False), host_facts())
    return adapters


def score(folder: RunFolder) -> Report:
    """The report of a run. A pure function of the run folder: the same bytes each time."""
    run = folder.read_run()
    loaded = run.loaded
    adapters = make_adapters(loaded)
    available = {name: _availability(folder, name, adapter) for name, adapter in adapters.items()}
    trials, started = _read_trials(folder, run, adapters, available)
    trials = with_two_budgets(trials, _budgets(run))
    measured = Measured(trials)
    cells = list(cells_of(run.plan))
    cells.sort(key=lambda cell: _place(loaded, cell))
    comparisons = tuple(compare(measured, cells, loaded.config.baseline))
    runtimes = tuple(_runtime_report(loaded, name, available.get(name), trials) for name in loaded.config.runtimes)
    evidence = Evidence(
        config=loaded.config,
        trials=trials,
        comparisons=comparisons,
        planned=cells_of(run.plan),
        platform=str(run.machine["platform"]),
        devices={r.name: r.device for r in runtimes if r.device is not None},
        unset=frozenset(loaded.not_set),
    )
    verdicts = tuple(judge(evidence))
    return Report(
        run=folder.name,
        name=loaded.config.name,
        started=run.started,
        parity_version=run.parity_version,
        config_sha256=loaded.sha256,
        baseline=loaded.config.baseline,
        interrupted=folder.interrupted,
        machine=run.machine,
        models=run.models,
        tests=tuple(test_spec(loaded, test) for test in loaded.config.tests),
        runtimes=runtimes,
        trials=trials,
        summaries=tuple(summarise(measured, cells)),
        comparisons=comparisons,
        verdicts=verdicts,
        warnings=tuple(_warnings(run, trials)),
        page=loaded.config.report,
        exit=exit_of(evidence, verdicts, interrupted=folder.interrupted, started=started),
    )


def read_trial(adapter: Adapter[Any], planned: PlannedTrial, transcript: Transcript, folder: RunFolder) -> Trial:
    """One trial from its transcript: its failure, or its measurements and ledger entry."""
    job = transcript.head.job
    assert job is not None, "a trial's transcript opens with its job"
    events, unreadable = _events(adapter, transcript, job)
    encode = _encoder(folder.tokenizer_path(planned.model))
    retokenised = encode is not None and any(isinstance(event, Prompt) and event.ids is None for event in events)
    if encode is not None:
        events = [_with_ids(event, encode) for event in events]
    failure = outcome.classify(transcript, events, unreadable)
    blank = Trial(
        file=f"trials/{planned.file}",
        model=planned.model,
        test=planned.test,
        runtime=planned.runtime,
        round=planned.round,
        warmup=planned.warmup,
        kind=planned.kind,
        failure=failure,
        warnings=outcome.warnings(transcript),
    )
    if failure is not None:
        return blank
    measurements = measure(transcript, events, None if encode is None else lambda text: len(encode(text)))
    entry = ledger.entry(job, transcript, events, folder.weights_sha256)
    return blank.model_copy(
        update={
            "measurements": measurements,
            "ledger": entry.model_copy(
                update={
                    "prompt_retokenised": retokenised and entry.prompt_ids_sha256 is not None,
                    "generated_tokens": entry.generated_tokens or _counted(measurements),
                }
            ),
            "text": ledger.shown_text(events),
        }
    )


def _counted(measurements: Iterable[Measurement]) -> int | None:
    """N by the strictest count there is."""
    values = (m.value for m in measurements if m.metric == "generated_tokens" and m.value is not None)
    return next((round(value) for value in values), None)


def _events(adapter: Adapter[Any], transcript: Transcript, job: Job) -> tuple[list[Event], str | None]:
    """What could be read, and the reader's complaint about the rest."""
    events: list[Event] = []
    try:
        for event in adapter.read(transcript, job):
            events.append(event)  # noqa: PERF402 - what was read before a complaint is kept
    except ReadError as error:
        return events, str(error)
    except Exception as error:
        # A reader that breaks on what a program printed loses this trial, not the run.
        return events, f"its adapter can't read it ({type(error).__name__}: {error})"
    return events, None


@cache
def _encoder(path: Path) -> Encode | None:
    return load_encoder(path) if path.exists() else None


def _with_ids(event: Event, encode: Encode) -> Event:
    """A prompt that is known as text only, with the ids that the model's own tokenizer gives it; but not where the
    runtime counted otherwise, for then it did something else with the text."""
    if not isinstance(event, Prompt) or event.ids is not None or event.text is None:
        return event
    ids = encode(event.text)
    return event.model_copy(update={"ids": ids}) if event.count in (None, len(ids)) else event


def _availability(folder: RunFolder, runtime: str, adapter: Adapter[Any]) -> Availability:
    path = folder.probe_path(runtime)
    if not path.exists():
        return NEVER_ASKED
    probed = read_transcript(path)
    if _cancelled(probed):
        return NEVER_ASKED
    found = adapter.read_probe(probed)
    tree, told = adapter.checkout, folder.checkout_path(runtime)
    if tree is not None and told.exists():
        found = checkout.built_from(found, checkout.read(read_transcript(told), tree))
    built = folder.build_path(runtime)
    if not found.ready or not built.exists():
        return found
    compiled = read_transcript(built)
    if _cancelled(compiled):
        return NEVER_ASKED
    build = adapter.read_build(compiled)
    if build.executables:
        return found
    return found.model_copy(update={"ready": False, "reason": f"build: {build.reason}", "remedy": build.remedy})


def _read_trials(
    folder: RunFolder, run: RunRecord, adapters: Mapping[str, Adapter[Any]], available: Mapping[str, Availability]
) -> tuple[tuple[Trial, ...], int]:
    """The trials that ran, and one failed trial for each that could not because its runtime isn't available."""
    trials: list[Trial] = []
    started = 0
    for planned, transcript in folder.trials(run.plan):
        started += transcript.spawn is not None
        trials.append(read_trial(adapters[planned.runtime], planned, transcript, folder))
    ran = {trial.file for trial in trials}
    for planned in run.plan:
        found = available[planned.runtime]
        if not found.ready and found is not NEVER_ASKED and f"trials/{planned.file}" not in ran:
            trials.append(_never_ran(planned, found))
    return tuple(trials), started


def _never_ran(planned: PlannedTrial, found: Availability) -> Trial:
    reason = found.reason or "not available"
    kind = "build" if reason.startswith("build: ") else "unavailable"
    return Trial(
        file=f"{'builds' if kind == 'build' else 'probes'}/{planned.runtime}.jsonl",
        model=planned.model,
        test=planned.test,
        runtime=planned.runtime,
        round=planned.round,
        warmup=planned.warmup,
        kind=planned.kind,
        failure=Failure(kind=kind, message=reason.removeprefix("build: ")),
    )


def _runtime_report(
    loaded: LoadedConfig, name: str, found: Availability | None, trials: Iterable[Trial]
) -> RuntimeReport:
    ledgers = [
        (trial, trial.ledger) for trial in trials if trial.runtime == name and trial.kind == "full" and trial.ledger
    ]
    timed = [entry.settings for trial, entry in ledgers if not trial.warmup]
    settings = in_force(timed or [entry.settings for _, entry in ledgers])
    device = settings.get("device") or (found.device if found else None)
    return RuntimeReport(
        name=name,
        title=loaded.config.runtime_title(name),
        adapter=loaded.config.runtimes[name].adapter,
        role="baseline" if name == loaded.config.baseline else "implementation",
        status="not set" if found is None else "ready" if found.ready else "unavailable",
        version=found.version if found else None,
        checkout=found.checkout if found else None,
        device=str(device) if device is not None else None,
        reason=found.reason if found else loaded.why_not_set(name),
        remedy=found.remedy if found else None,
        settings=settings,
    )


def in_force(seen: Sequence[Mapping[str, Scalar]]) -> dict[str, Scalar]:
    """The settings of the measured trials; of one that varied, how often it was what."""
    settings: dict[str, Scalar] = {}
    for key in dict.fromkeys(key for one in seen for key in one):
        counts = Counter(json.dumps(one.get(key)) for one in seen)
        if len(counts) == 1:
            settings[key] = next(one[key] for one in seen if key in one)
        else:
            settings[key] = ", ".join(
                f"{_shown(value)} in {count} of {len(seen)} trials" for value, count in counts.items()
            )
    return settings


def _shown(value: str) -> str:
    """A JSON scalar without its quotes."""
    return "not seen" if value == "null" else str(json.loads(value)) if value.startswith('"') else value


def _warnings(run: RunRecord, trials: Iterable[Trial]) -> Iterable[str]:
    """What was odd of good trials, each once, with the rounds in which it was."""
    budgets = _budgets(run)
    seen: dict[tuple[str, str, str, str], list[Trial]] = {}
    for trial in trials:
        said = list(trial.warnings)
        if trial.ledger is not None and trial.ledger.ended_early and trial.kind != "whole":
            said.append(f"sampled {trial.ledger.generated_tokens} of {budgets[trial.test, trial.kind]} tokens")
        for warning in said:
            seen.setdefault((trial.model, trial.test, trial.runtime, warning), []).append(trial)
    several = len(run.models) > 1
    return [
        f"{' · '.join((run.loaded.config.runtime_title(runtime), *((model,) if several else ()), test))}, "
        f"{rounds_of(odd)}: {warning}"
        for (model, test, runtime, warning), odd in seen.items()
    ]


def _budgets(run: RunRecord) -> dict[tuple[str, str], int]:
    """(test, kind of trial) → sampled tokens asked for."""
    tests = run.loaded.config.tests
    full = {(test.name, "full"): test.max_tokens for test in tests}
    return full | {(test.name, "short"): test.short_tokens for test in tests if test.short_tokens is not None}


def _place(loaded: LoadedConfig, cell: Cell) -> tuple[int, int, int]:
    config = loaded.config
    return (
        [m.name for m in config.models].index(cell[0]),
        [t.name for t in config.tests].index(cell[1]),
        list(config.runtimes).index(cell[2]),
    )
