"""A run from config to report: prepare every runtime, then fill one turn after another until nothing is left to do."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from parity.config import LoadedConfig
from parity.errors import RunFolderError
from parity.hosts.host import Host
from parity.judging.warnings import memory_warnings
from parity.records import Cell, Report
from parity.run.converting import supply_conversions
from parity.run.exact import supply_exact
from parity.run.exclusive import exclusively
from parity.run.giving_up import GivenUp
from parity.run.hashes import record_executable
from parity.run.log import CONFIG, RunFolder, now
from parity.run.lost import log_lost
from parity.run.outlook import times_of_earlier
from parity.run.performing import perform, supply_tokenizers
from parity.run.prepare import Preparation
from parity.run.prepared import Prepared
from parity.run.progress import Progress, showing
from parity.run.prompts import render_prompts
from parity.run.record import RunRecord
from parity.run.reports import write_reports
from parity.run.schedule import Turn
from parity.run.score import score
from parity.run.session import LOCAL, Session, make_adapters
from parity.run.signals import cancelling
from parity.run.sources import locate_models, locate_own, resolve_models, resolve_own
from parity.run.state import State
from parity.run.surroundings import busy_notes, check_page_cache
from parity.version import version
from parity.visible import printable


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


def finish_preparing(session: Session, run: RunRecord, asked: Mapping[str, Prepared]) -> dict[str, Prepared]:
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
        done[name] = preparation.prove(built, run.models_of(name))
        if not session.cancel.count:
            _tell_proof(session, name, done[name])
    return done


def fill(session: Session, state: State) -> State:
    """Runs what the state asks for next until it asks for nothing; the state at the end.

    Raises:
        LogLostError: the run folder can't be written any more.
    """
    known: set[Cell] = set()
    while True:
        _tell_given_up(session, {cell: why for cell, why in state.given_up.items() if cell not in known})
        known.update(state.given_up)
        turn = state.due.next_turn()
        if turn is None:
            return state
        _tell_undecided(session, state, turn)
        left, may_grow = state.due.slots, state.may_grow
        for number, slot in enumerate(turn):
            if session.cancel.count:
                return state
            session.progress.begin(slot, left[number:], open=may_grow)
            try:
                session.folder.check()
                trial = perform(session, *state.work_of(slot), slot, state.sequence(slot))
            except (OSError, RunFolderError) as error:
                raise log_lost(session.folder, state, error) from error
            session.progress.done(slot, trial)
            state = state.after(trial)


def run_config(
    loaded: LoadedConfig,
    out: Path | None,
    host: Host,
    *,
    authorised_by: str | None = None,
    forced: bool = False,
    written: bool = True,
    quiet: bool = False,
) -> tuple[RunFolder, Report]:
    """A new run of a config, from its first question to its report. `written`: the config is a file; otherwise the run
    folder becomes its home. `quiet`: nothing is shown meanwhile.

    Raises:
        ConfigError: a model can't be fetched or read, or a different run wants the machine for itself.
        RunFolderError: the run folder can't be created.
        LogLostError: the run folder can't be written any more.
    """
    locate_models(loaded)
    locate_own(loaded)
    make_adapters(loaded, host.facts())
    with exclusively(loaded):
        folder = RunFolder.create(out, loaded.config.name)
        if not written:
            loaded = loaded.but(file=str(folder.write(CONFIG, loaded.text).resolve()))
        return _begun(loaded, folder, host, authorised_by, forced=forced, quiet=quiet)


def _begun(
    loaded: LoadedConfig, folder: RunFolder, host: Host, authorised_by: str | None, *, forced: bool, quiet: bool
) -> tuple[RunFolder, Report]:
    with showing(times_of_earlier(loaded.sha256), quiet=quiet) as progress, folder.held():
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
            if not stopped:
                own = resolve_own(loaded, progress)
                record = record.but(models=resolve_models(loaded, progress), own_models=own)
            check_page_cache(loaded, record.all_models, host)
        except Exception:
            folder.discard()
            raise
        if stopped:
            progress.note(stopped)
            folder.end(interrupted=cancel.count > 0)
            return folder, conclude(folder, progress)
        folder.write_run(record)
        with cancelling() as cancel:
            session = Session(loaded, folder, hosts, progress, cancel)
            return folder, go_on(session, State(record, finish_preparing(session, record, asked)))


def go_on(session: Session, state: State) -> Report:
    """Runs what is missing after preparation, and reports.

    Raises:
        LogLostError: the run folder can't be written any more.
    """
    models = state.run.all_models
    for warning in memory_warnings(models, state.run.machine):
        session.progress.note(f"warning: {warning}")
    needed = any(runtime.ready and runtime.adapter.needs_tokenizer for runtime in state.prepared.values())
    render_prompts(session, models, needed=needed)
    if needed:
        supply_tokenizers(session, models)
    supply_conversions(session, state.prepared, state.run.models_of)
    if state.due.turns or state.lacks_exact:
        state = replace(state, exact=supply_exact(session, state.prepared, state.run.models))
    state = fill(session, state)
    try:
        session.folder.check()
        session.folder.end(interrupted=session.cancel.count > 0)
        return conclude(session.folder, session.progress)
    except (OSError, RunFolderError) as error:
        raise log_lost(session.folder, state, error) from error


def conclude(folder: RunFolder, progress: Progress) -> Report:
    """The report of a run that is over, also written into its folder."""
    report = score(folder)
    try:
        # A run of a part, or with other values, takes no page of a whole run's place.
        page = Path(report.page.markdown) if report.page.markdown is not None and not report.options else None
        write_reports(report, folder, progress.note, page)
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
        session.progress.note(f"{name}: not available: {printable(prepared.absent.reason)}{remedy}")
    elif found.ready:
        what = f"{found.version or 'found'}{f' on {found.device}' if found.device else ''}"
        session.progress.note(f"{name}: {printable(what)}")


def _tell_proof(session: Session, name: str, prepared: Prepared) -> None:
    if prepared.absent is not None:
        _tell(session, name, prepared)
    elif prepared.proof is not None:
        why = f" ({printable(prepared.proof.reason)})" if prepared.proof.reason else ""
        session.progress.note(f"{name}: {prepared.proof.kind}{why}")


def _tell_undecided(session: Session, state: State, turn: Turn) -> None:
    """Why a round beyond the least ones is run: the gates that the rounds before it left undecided."""
    number, rounds = turn[0].round, state.config.rounds
    if rounds.looks.fixed or not turn[0].is_measured or number <= rounds.least:
        return
    pair = turn[0].model, turn[0].test
    of_pair = (t for t in state.trials if (t.model, t.test) == pair)
    standing = state.standings(pair, [t for t in of_pair if not t.is_measured or t.round < number])
    session.progress.standing(turn[0].test, number - 1, standing)


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
