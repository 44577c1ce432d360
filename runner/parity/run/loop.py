"""A run from config to report: prepare every runtime, then fill one turn after another until nothing is left to do."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from parity.config import LoadedConfig
from parity.hosts.host import Host
from parity.records import Cell, ModelFacts, Report
from parity.run.converting import supply_conversions
from parity.run.exact import supply_exact
from parity.run.giving_up import GivenUp
from parity.run.hashes import record_executable
from parity.run.log import RunFolder, RunRecord, now
from parity.run.performing import perform, supply_tokenizers
from parity.run.prepare import Preparation
from parity.run.prepared import Prepared
from parity.run.progress import Progress, showing
from parity.run.prompts import render_prompts
from parity.run.reports import write_reports
from parity.run.schedule import Turn
from parity.run.score import score
from parity.run.session import LOCAL, Session, make_adapters
from parity.run.signals import cancelling
from parity.run.sources import locate_models, resolve_models
from parity.run.state import State
from parity.run.surroundings import busy_notes, check_page_cache
from parity.version import version


def ask_runtimes(session: Session) -> dict[str, Prepared]:
    """The cheap questions to every runtime, before anything is fetched or built."""
    found: dict[str, Prepared] = {}
    for name, preparation in preparations(session).items():
        if session.cancel.count:
            break
        found[name] = preparation.ask()
        _tell(session, name, found[name])
    return found


def preparations(session: Session) -> dict[str, Preparation]:
    """What prepares each runtime that is set, with transcripts in the run folder."""
    loaded, folder, local = session.loaded, session.folder, session.hosts[LOCAL].facts()
    return {
        name: Preparation(
            runtime=name,
            adapter=adapter,
            common=loaded.config.runtimes[name],
            settings=loaded.settings[name],
            host=session.host_of(name),
            path_of=partial(folder.prepared_path, name),
            hidden=loaded.secrets,
            cancel=session.cancel,
            built=session.progress.built,
            note=session.progress.note,
        )
        for name, adapter in make_adapters(loaded, local).items()
    }


def finish_preparing(
    session: Session, run: RunRecord, asked: Mapping[str, Prepared], models: Sequence[ModelFacts]
) -> dict[str, Prepared]:
    """Builds and proves the runtimes that are there, while a verdict is possible."""
    done = dict(asked)
    for name, preparation in preparations(session).items():
        if State(run, done).hopeless:
            break
        if session.cancel.count or name not in asked or not asked[name].ready:
            continue
        if preparation.adapter.build() is not None:
            session.progress.note(f"{name}: building")
        built = preparation.build(asked[name])
        for executable, path in (built.build.executables if built.build else {}).items():
            record_executable(session.folder, name, executable, Path(path))
        done[name] = preparation.prove(built, models)
        if not session.cancel.count:
            _tell_proof(session, name, done[name])
    return done


def fill(session: Session, state: State) -> None:
    """Runs what the state asks for next until it asks for nothing."""
    known: set[Cell] = set()
    while True:
        _tell_given_up(session, {cell: why for cell, why in state.given_up.items() if cell not in known})
        known.update(state.given_up)
        turn = state.next_turn()
        if turn is None:
            return
        _tell_undecided(session, state, turn)
        for slot in turn:
            if session.cancel.count:
                return
            session.progress.begin(slot, state.left, open=state.may_grow)
            trial = perform(session, *state.work_of(slot), slot, state.sequence(slot))
            session.progress.done(slot, trial)
            state = state.after(trial)


def run_config(
    loaded: LoadedConfig, out: Path | None, host: Host, *, authorised_by: str | None = None, forced: bool = False
) -> tuple[RunFolder, Report]:
    """A new run of a config, from its first question to its report.

    Raises:
        ConfigError: a model can't be fetched or read.
        RunFolderError: the run folder can't be created.
    """
    locate_models(loaded)
    folder = RunFolder.create(out, loaded.config.name)
    with showing() as progress, folder.held():
        progress.note(f"run: {folder.path}")
        tell_busy(loaded, host, progress)
        hosts = {LOCAL: host}
        record = RunRecord(
            started=now(),
            parity_version=version(),
            loaded=loaded,
            models=(),
            hosts={label: each.facts() for label, each in hosts.items()},
            machine=host.machine(),
            authorised_by=authorised_by,
            forced=forced,
        )
        # Written at once: a run that is killed while it builds or fetches can be resumed too.
        folder.write_run(record)
        with cancelling() as cancel:
            asked = ask_runtimes(Session(loaded, folder, hosts, progress, cancel))
        stopped = "interrupted before the first trial" if cancel.count else State(record, asked).hopeless
        try:
            models = () if stopped else resolve_models(loaded, progress)
            check_page_cache(loaded, models, host)
        except Exception:
            folder.discard()
            raise
        if stopped:
            progress.note(stopped)
            folder.end(interrupted=cancel.count > 0)
            return folder, conclude(folder, progress)
        record = record.but(models=models)
        folder.write_run(record)
        with cancelling() as cancel:
            session = Session(loaded, folder, hosts, progress, cancel)
            return folder, go_on(session, State(record, finish_preparing(session, record, asked, models)))


def go_on(session: Session, state: State) -> Report:
    """Runs what is missing after preparation, and reports."""
    needed = any(runtime.ready and runtime.adapter.needs_tokenizer for runtime in state.prepared.values())
    render_prompts(session, state.run.models, needed=needed)
    if needed:
        supply_tokenizers(session, state.run.models)
    supply_conversions(session, state.prepared, state.run.models)
    if state.next_turn() is not None or state.lacks_exact:
        state = replace(state, exact=supply_exact(session, state.prepared, state.run.models))
    fill(session, state)
    session.folder.end(interrupted=session.cancel.count > 0)
    return conclude(session.folder, session.progress)


def conclude(folder: RunFolder, progress: Progress) -> Report:
    """The report of a run that is over, also written into its folder."""
    report = score(folder)
    try:
        write_reports(report, folder, progress)
    except OSError as error:
        # The verdict is not lost with the file that should have held it.
        progress.note(f"warning: {error.filename}: {error.strerror}; `parity score {folder.path}` writes the reports")
    return report


def tell_busy(loaded: LoadedConfig, host: Host, progress: Progress) -> None:
    """Says at the start of a run whether others keep the machine busy, and which processes do."""
    limits = loaded.config.conditions
    for note in busy_notes(host.busyness(limits), limits):
        progress.note(note)


def _tell(session: Session, name: str, prepared: Prepared) -> None:
    found = prepared.found
    if prepared.absent is not None:
        remedy = f"\n    to fix it: {prepared.absent.remedy}" if prepared.absent.remedy else ""
        session.progress.note(f"{name}: not available: {prepared.absent.reason}{remedy}")
    elif found.ready:
        session.progress.note(f"{name}: {found.version or 'found'}{f' on {found.device}' if found.device else ''}")


def _tell_proof(session: Session, name: str, prepared: Prepared) -> None:
    if prepared.absent is not None:
        _tell(session, name, prepared)
    elif prepared.proof is not None:
        why = f" ({prepared.proof.reason})" if prepared.proof.reason else ""
        session.progress.note(f"{name}: {prepared.proof.kind}{why}")


def _tell_undecided(session: Session, state: State, turn: Turn) -> None:
    """Why a round beyond the least ones is run: the gates that the rounds before it left undecided."""
    number, rounds = turn[0].round, state.config.rounds
    if rounds.looks.fixed or not turn[0].is_measured or number <= rounds.least:
        return
    pair = turn[0].model, turn[0].test
    names = state.undecided(pair, [t for t in state.trials if not t.is_measured or t.round < number])
    session.progress.note(f"{turn[0].test}: undecided after {number - 1} rounds: {', '.join(names)}")


def _tell_given_up(session: Session, lost: Mapping[Cell, GivenUp]) -> None:
    """One sentence for each reason, with the runtimes and tests that it concerns. Those that can't run here were
    reported when they were asked."""
    concerned: dict[str, list[str]] = {}
    for (_, test, runtime), why in lost.items():
        if why.kind != "given up":
            continue
        concerned.setdefault(why.reason, []).append(f"{runtime} on {test}")
    for reason, cells in concerned.items():
        session.progress.note(f"{', '.join(dict.fromkeys(cells))}: {reason}")
