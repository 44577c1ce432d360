"""Goes on with a run that was interrupted or killed, if config, models and runtimes are still the same."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from parity.config import Choices, LoadedConfig
from parity.errors import RunFolderError
from parity.hosts.host import Host
from parity.records import ModelFacts, Report
from parity.redaction import REDACTED
from parity.run.due import interrupted
from parity.run.exclusive import exclusively
from parity.run.hashes import executable_sha256, recorded_executables
from parity.run.keeping import without_secrets
from parity.run.log import RunFolder
from parity.run.loop import conclude, finish_preparing, go_on, preparations, tell_busy
from parity.run.outlook import times_of_earlier
from parity.run.prepare import files_in
from parity.run.prepared import Prepared
from parity.run.progress import showing
from parity.run.record import SAME_MACHINE, RunRecord
from parity.run.score import recorded_runtimes, recorded_state
from parity.run.session import LOCAL, Session, make_adapters
from parity.run.signals import cancelling
from parity.run.sources import resolve_models, resolve_own
from parity.run.state import State
from parity.run.surroundings import check_page_cache

LONGEST_SHOWN = 200
"""Characters of a value that changed: it may be a prompt, or all tests."""


def recorded_texts(run: RunRecord) -> dict[str, str]:
    """What the run read of files of prompts, without texts of which a secret was left out. Runs of earlier versions
    don't name these."""
    texts, masked = run.loaded.texts, run.loaded.masked
    if masked is None:
        masked = tuple(where for where, text in texts.items() if REDACTED in text)
    return {where: text for where, text in texts.items() if where not in masked}


def recorded_choices(folder: RunFolder, run: RunRecord) -> Choices:
    """The options that the run was given.

    Raises:
        RunFolderError: a secret is left out of one.
    """
    choices = run.loaded.choices
    for change in choices.changes:
        if REDACTED in change:
            wrong = f"--set {change.partition('=')[0]} held a secret, which a run folder does not keep"
            raise RunFolderError(
                f"{folder.path}: {wrong}\n    take it from a variable of the environment, and start a new run"
            )
    return choices


def check_config(folder: RunFolder, run: RunRecord, loaded: LoadedConfig, doing: str = "resumed") -> None:
    """Refuses to go on with a config that is not the run's own. `doing`: what is refused.

    Raises:
        RunFolderError: naming every key that changed.
    """
    # The prompts that `texts` gave are in the tests.
    left_out = {"text", "sha256", "texts", "masked"}
    then, now = (side.model_dump(mode="json", exclude=left_out) for side in (run.loaded, without_secrets(loaded)))
    changed = list(_changed(then, now))
    if changed:
        listed = "\n    ".join(changed[:10])
        wrong = f"{loaded.file}, or an environment variable that it uses, has changed since the run began"
        raise _refused(folder, wrong, listed, doing)


def resume_run(
    loaded: LoadedConfig, folder: RunFolder, run: RunRecord, host: Host, *, extended: bool = False, quiet: bool = False
) -> Report:
    """Runs the slots that are missing, and reports over all. `extended`: `run` is to have more rounds than are recorded
    so far. `quiet`: nothing is shown meanwhile.

    Raises:
        RunFolderError: a model or a runtime is not the same as when the run began; the message names each. Or a
            `parity run` is at work in the folder.
    """
    with exclusively(loaded), showing(times_of_earlier(loaded.sha256), quiet=quiet) as progress, folder.held():
        progress.note(f"run: {folder.path}")
        tell_busy(loaded, host, progress)
        recorded = recorded_runtimes(folder, make_adapters(loaded, host.facts()))
        with cancelling() as cancel:
            changed = list(changed_runtimes(Session(loaded, folder, {LOCAL: host}, progress, cancel), recorded))
        if cancel.count:
            progress.note("interrupted before the first trial")
            return conclude(folder, progress)
        refuse_changed(folder, [*moved(run, host), *changed])
        if stopped := State(run, recorded).hopeless:
            progress.note(stopped)
            folder.end(interrupted=False)
            return conclude(folder, progress)
        models, own = resolve_models(loaded, progress), resolve_own(loaded, progress)
        found = (*models, *own.values())
        check_page_cache(loaded, found, host)
        refuse_changed(folder, list(changed_models(run, found)))
        with cancelling() as cancel:
            session = Session(loaded, folder, {LOCAL: host}, progress, cancel)
            folder.reopen()
            if not run.models:
                run = run.but(models=models, own_models=own)
                folder.write_run(run)
            elif extended:
                folder.write_run(run)
            # The config as it is now, for run.json holds it without its secrets.
            run = run.but(loaded=loaded)
            state = recorded_state(folder, run, _finish(session, run, recorded))
            folder.write_results([trial for trial in state.trials if not interrupted(trial)])
            return go_on(session, replace(state, earlier=len(state.trials)))


def _finish(session: Session, run: RunRecord, recorded: Mapping[str, Prepared]) -> dict[str, Prepared]:
    """What was recorded; runtimes whose preparation was cut off are prepared to the end."""
    done = dict(recorded)
    cut_off = {}
    for name, preparation in preparations(session).items():
        found = done[name]
        never_asked = found.absent is None and not found.found.ready
        unbuilt = found.ready and found.build is None and preparation.adapter.build() is not None
        if never_asked or unbuilt or (found.ready and found.proof is None):
            cut_off[name] = preparation.ask()
    return done | finish_preparing(session, run, cut_off)


def _changed(then: Any, now: Any, at: str = "") -> Iterator[str]:
    """Paths of the values that differ."""
    if isinstance(then, dict) and isinstance(now, dict):
        for key in dict.fromkeys((*then, *now)):
            yield from _changed(then.get(key), now.get(key), f"{at}.{key}".removeprefix("."))
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for k, (one, other) in enumerate(zip(then, now, strict=True)):
            name = one.get("name", k + 1) if isinstance(one, dict) else k + 1
            yield from _changed(one, other, f"{at}.{name}")
    elif then != now:
        was, here = repr(then), repr(now)
        same = next((k for k, (a, b) in enumerate(zip(was, here, strict=False)) if a != b), 0)
        yield f"{at.removeprefix('config.')}: was {_shown(was, same)} and is {_shown(here, same)}"


def _shown(text: str, differs_at: int) -> str:
    """A long text is cut to the part around its first difference."""
    begin = max(0, differs_at - LONGEST_SHOWN // 4) if len(text) > LONGEST_SHOWN else 0
    part = text[begin : begin + LONGEST_SHOWN]
    return f"{'…' if begin else ''}{part}{'…' if begin + len(part) < len(text) else ''}"


def moved(run: RunRecord, host: Host) -> list[str]:
    """How this machine is not the one of the run."""
    here = host.machine()
    return [
        f"the machine's {fact} was {run.machine.get(fact)} and is {here.get(fact)}"
        for fact in SAME_MACHINE
        if run.machine.get(fact) != here.get(fact)
    ]


def changed_models(run: RunRecord, models: tuple[ModelFacts, ...]) -> Iterator[str]:
    """Models that are not those of the run."""
    then = {model.name: model.sha256 for model in run.all_models}
    for model in models if then else ():
        if then.get(model.name) != model.sha256:
            yield f"the sha256 of the model {model.name} was {then.get(model.name)} and is {model.sha256}"


def changed_runtimes(session: Session, recorded: Mapping[str, Prepared]) -> Iterator[str]:
    """Versions and executables of the `recorded` runtimes that are not those of the run. A runtime that was never asked
    can't differ."""
    executables = recorded_executables(session.folder)
    with TemporaryDirectory(prefix="parity-") as elsewhere:
        for name, preparation in preparations(session).items():
            then = recorded.get(name)
            if then is None:
                continue
            if then.absent is None and not then.found.ready:
                continue
            here = replace(preparation, path_of=files_in(Path(elsewhere) / name))
            now = here.ask()
            if session.cancel.count:
                return
            if now.found.ready != then.found.ready:
                yield f"{name} was {'available and is not' if then.found.ready else 'not available and is'} now"
            elif now.found.version != then.found.version:
                yield f"the version of {name} was {then.found.version} and is {now.found.version}"
            for title, (path, sha256) in executables.get(name, {}).items():
                if executable_sha256(Path(path)) != sha256:
                    yield f"the executable {title} of {name} ({path}) is not the file that the run used"


def refuse_changed(folder: RunFolder, changed: Sequence[str], doing: str = "resumed") -> None:
    """Raises RunFolderError with what changed, if anything did."""
    if changed:
        raise _refused(folder, "a model or a runtime has changed since the run began", "\n    ".join(changed), doing)


def _refused(folder: RunFolder, wrong: str, details: str, doing: str) -> RunFolderError:
    return RunFolderError(
        f"{folder.path}: can't be {doing}: {wrong}\n    {details}\n    undo the change, or start a new run"
    )
