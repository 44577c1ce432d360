"""Whether the fault of a cell is in a checkout of the implementation: what `git bisect run` asks at each commit."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from parity.adapter import Command
from parity.config import LoadedConfig
from parity.hosts.host import Host, Request
from parity.outputs.apart import divergence
from parity.outputs.continuation import first_different
from parity.outputs.sides import Side
from parity.outputs.texts import compare_texts
from parity.private import OWNER_ALONE
from parity.records import Scored, ScoreRequest, Slot, Trial
from parity.run.bisect.case import Case, case_of
from parity.run.bisect.finding import FOLDER
from parity.run.bisect.folder import PartFolder
from parity.run.bisect.records import Bisected
from parity.run.bisect.search import RESULT
from parity.run.bisect.trials import StoppedError, Trials, declared_of
from parity.run.converting import supply_conversions
from parity.run.log import RunFolder
from parity.run.loop import preparations
from parity.run.prepared import Prepared
from parity.run.progress import showing
from parity.run.record import RunRecord
from parity.run.resume import changed_models, refuse_changed
from parity.run.score import score
from parity.run.session import LOCAL, Session
from parity.run.signals import cancelling
from parity.run.sources import resolve_models
from parity.transcript import End, Head
from parity.units import format_value

GONE, SHOWS, CANNOT_TELL, STOPS, INTERRUPTED = 0, 1, 125, 128, 130
"""Exit codes that `git bisect run` understands: good, bad, skip; and from 128 on, stop."""

MOST_PRINTED_BYTES = 8 * 1024 * 1024
"""Of the command: many times what a build prints, and read within a second."""

NOT_RUN = (126, 127)
"""Exit codes by which a shell says that it found no program of that name, or none that it may run."""


@dataclass(frozen=True)
class Told:
    """What came of one commit: the exit code, and why."""

    code: int
    sentence: str


class NoCommandError(StoppedError):
    """The command can't be run at all, so that it says nothing of the commit."""


def tell(
    loaded: LoadedConfig, folder: RunFolder, run: RunRecord, asked: str, host: Host, *, command: str, limit_s: float
) -> Told:
    """Runs `command` in the current folder, then the implementation alone, as it is now, and compares it with what the
    run recorded of the baseline. `limit_s`: seconds that the command may take.

    Raises:
        ParityError: there is no such cell, or nothing is wrong with its outputs.
        RunFolderError: a model is not the same as in the run; or a program of parity is at work in the folder.
        ConfigError: a model can't be fetched or read.
    """
    with showing() as progress, folder.held():
        case = case_of(score(folder), asked)
        models = resolve_models(loaded, progress)
        refuse_changed(folder, list(changed_models(run, models)), doing="bisected")
        model = next(model for model in models if model.name == case.cell[0])
        own = PartFolder(folder, FOLDER, "checkouts")
        with cancelling() as cancel:
            session = Session(loaded, own, {LOCAL: host}, progress, cancel)
            try:
                _run(session, case, command, limit_s)
                prepared = _prepare(session, case)
                supply_conversions(session, {case.cell[2]: prepared}, lambda _: [model])
                declared = declared_of(loaded, case.cell, case.theirs.runtime)
                trials = Trials(session, {case.cell[2]: prepared}, model, case.cell, case.theirs.runtime, declared)
                return _compare(case, trials, _earlier(folder, case))
            except StoppedError as error:
                if cancel.count:
                    return Told(INTERRUPTED, "interrupted")
                return Told(STOPS if isinstance(error, NoCommandError) else CANNOT_TELL, str(error))


def _run(session: Session, case: Case, command: str, limit_s: float) -> None:
    """Raises StoppedError where the command fails, prints too much, or takes too long."""
    session.progress.note(f"running {command}")
    runtime = case.cell[2]
    common, limits = session.loaded.config.runtimes[runtime], session.loaded.config.limits
    launch = Command(argv=("/bin/sh", "-c", command), env=common.env, cwd=str(Path.cwd()), deadline_s=limit_s)
    head = Head(purpose="command", runtime=runtime)
    path = session.folder.prepared_path(runtime, "command")
    path.parent.mkdir(OWNER_ALONE, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    limits = limits.but(max_output_bytes=min(limits.max_output_bytes, MOST_PRINTED_BYTES))
    request = Request(launch, head, limits, common.pass_env, session.loaded.secrets)
    transcript = session.host_of(runtime).run(request, path, cancel=session.cancel)
    end = transcript.end
    if end is not None and end.by == "exit" and end.exit_code == 0:
        return
    tail = transcript.tail(3)
    said = f": {' / '.join(tail)}" if tail else ""
    if end is None:
        why = transcript.no_spawn.message if transcript.no_spawn is not None else "it did not start"
        raise NoCommandError(f"`{command}` can't be run: {why}")
    if end.by == "exit" and end.exit_code in NOT_RUN:
        raise NoCommandError(f"`{command}` can't be run (exit code {end.exit_code}){said}")
    raise StoppedError(f"`{command}` failed ({_ending(end, limits.max_output_bytes)}){said}")


def _ending(end: End, most_bytes: int) -> str:
    if end.by == "output-limit":
        return f"it printed more than {format_value(most_bytes, 'bytes')}, and was ended; let it print into a file"
    if end.by != "exit":
        return f"it was ended: {end.by}"
    return f"signal {end.signal}" if end.signal is not None else f"exit code {end.exit_code}"


def _prepare(session: Session, case: Case) -> Prepared:
    """The implementation as it is now: asked again, and built. Raises StoppedError where it can't be."""
    preparation = preparations(session)[case.cell[2]]
    prepared = preparation.build(preparation.ask())
    if prepared.absent is not None:
        raise StoppedError(f"{case.cell[2]} can't be prepared: {prepared.absent.reason}")
    return prepared


def _earlier(folder: RunFolder, case: Case) -> tuple[tuple[int, ...], Scored] | None:
    """The shortest sequence that a search found, with what the baseline found likely at its end."""
    try:
        found = Bisected.model_validate_json((folder.path / FOLDER / RESULT).read_bytes())
    except (OSError, ValidationError):
        return None
    same = (found.model, found.test, found.runtime) == case.cell and found.place is not None
    if not same or found.shortest is None or not found.shortest.repeated:
        return None
    return found.shortest.ids, found.shortest.apart.theirs


def _compare(case: Case, trials: Trials, earlier: tuple[tuple[int, ...], Scored] | None) -> Told:
    runtime = case.cell[2]
    if case.shown_by == "scores":
        ids, theirs = earlier or (case.context, case.apart[0][0])
        slot = Slot(model=case.cell[0], test=case.cell[1], runtime=runtime, task="score", round=1)
        trial = trials.perform(slot, ScoreRequest(ids=ids, prompt_tokens=len(ids) - 1))
        return _by_score(case, theirs, trial.scores[-1], len(ids))
    slot = Slot(model=case.cell[0], test=case.cell[1], runtime=runtime, round=1, warmup=True)
    trial = trials.perform(slot)
    by: dict[str, Callable[[Case, Trial], Told]] = {"prompt": _by_prompt, "ids": _by_ids, "text": _by_text}
    return by[case.shown_by](case, trial)


def _by_score(case: Case, theirs: Scored, ours: Scored, ids: int) -> Told:
    kl, bound = divergence(theirs, ours), case.bound_at_commits
    said = f"after {ids - 1} ids {case.cell[2]} diverges by {kl:.3g} nats from {case.theirs.runtime}"
    if kl > bound.shows:
        return Told(SHOWS, f"the fault shows: {said}, and more than {bound.shows:.3g} shows it")
    if kl <= bound.gone:
        return Told(GONE, f"the fault is gone: {said}, and up to {bound.gone:.3g} is as it should be")
    return Told(CANNOT_TELL, f"{said}: more than {bound.gone:.3g}, and too little for {bound.shows:.3g}")


def _by_prompt(case: Case, trial: Trial) -> Told:
    theirs = case.theirs.prompt_ids
    if theirs is None or trial.prompt_ids is None:
        return Told(CANNOT_TELL, "the ids of a prompt are not shown")
    if trial.prompt_ids == theirs:
        return Told(GONE, f"the fault is gone: the prompt has the same {len(theirs)} ids")
    return Told(SHOWS, f"the fault shows: the prompt ids differ ({len(theirs)} tokens and {len(trial.prompt_ids)})")


def _by_ids(case: Case, trial: Trial) -> Told:
    parts = case.verdict.first_difference
    assert parts is not None, "the ids part"
    theirs, ours = case.theirs.first_ids[: parts.at], (trial.output_ids or ())[: parts.at]
    if None not in (case.theirs.prompt_ids, trial.prompt_ids) and case.theirs.prompt_ids != trial.prompt_ids:
        return Told(CANNOT_TELL, "the prompt ids differ now, which is a different fault")
    if theirs == ours:
        return Told(GONE, f"the fault is gone: the first {parts.at} ids are the same")
    place = first_different(theirs, ours)
    if place is None or place + 1 < parts.at:
        where = f"at token {place + 1}" if place is not None else f"after {len(ours)} tokens"
        return Told(CANNOT_TELL, f"the ids part {where} now, and not at token {parts.at}")
    if str(ours[-1]) != parts.ours:
        # A different token than in the run may be an honest near-tie.
        said = f"token {parts.at} is {theirs[-1]} for the baseline, was {parts.ours} in the run and is {ours[-1]} now"
        return Told(CANNOT_TELL, said)
    return Told(SHOWS, f"the fault shows: token {parts.at} is {theirs[-1]} for the baseline and {ours[-1]} here")


def _by_text(case: Case, trial: Trial) -> Told:
    parts = case.verdict.first_difference
    assert parts is not None, "the texts part"
    found = compare_texts(case.theirs, Side(trial.runtime, (trial,), None, None, asked_greedy=True, declared={}))
    if found is None:
        return Told(CANNOT_TELL, "nothing shows its text")
    if found.agree or (found.at is not None and found.unit == parts.unit and found.at > parts.at):
        return Told(GONE, f"the fault is gone: {parts.unit} {parts.at} is the same")
    same = _first_of(found.ours, parts.unit) == _first_of(parts.ours, parts.unit)
    if found.at == parts.at and found.unit == parts.unit and same:
        said = f"{found.theirs!r} and {found.ours!r}"
        return Told(SHOWS, f"the fault shows: the texts differ from {parts.unit} {parts.at} on ({said})")
    return Told(CANNOT_TELL, f"the texts part, and not as in the run at {parts.unit} {parts.at}: {found.ours!r}")


def _first_of(text: str, unit: str) -> str:
    """The first word or character of the text from a difference on."""
    return text[:1] if unit == "character" else next(iter(text.split()), "")
