"""The whole search: what the records say, the same models and runtimes again, and the trials."""

from parity.config import LoadedConfig
from parity.hosts.host import Host
from parity.run.bisect.case import case_of
from parity.run.bisect.folder import PartFolder
from parity.run.bisect.records import Bisected
from parity.run.bisect.search import Search, recorded
from parity.run.bisect.text import text_of
from parity.run.bisect.trials import Trials, declared_of
from parity.run.log import RunFolder
from parity.run.progress import showing
from parity.run.record import RunRecord
from parity.run.resume import changed_models, changed_runtimes, moved, refuse_changed
from parity.run.score import recorded_runtimes, score
from parity.run.session import LOCAL, Session, make_adapters
from parity.run.signals import cancelling
from parity.run.sources import resolve_models

FOLDER = "bisect"
"""Of a run: all that a search writes."""


def find(loaded: LoadedConfig, folder: RunFolder, run: RunRecord, asked: str, host: Host) -> Bisected:
    """Searches in the cell that the user named. `loaded`: the run's own config, as it is now.

    Raises:
        ParityError: there is no such cell, or nothing is wrong with its outputs.
        RunFolderError: a model or a runtime is not the same as in the run; or a `parity run` is at work in the folder.
        ConfigError: a model can't be fetched or read.
    """
    with showing() as progress, folder.held():
        case = case_of(score(folder), asked)
        own = PartFolder(folder, FOLDER)
        model = next(model for model in run.models if model.name == case.cell[0])
        text = text_of(own, model)
        found = recorded(case, text)
        if case.shown_by != "scores":
            own.write("bisect.json", found.model_dump_json(indent=2) + "\n")
            return found
        with cancelling() as cancel:
            session = Session(loaded, own, {LOCAL: host}, progress, cancel)
            every = recorded_runtimes(folder, make_adapters(loaded, host.facts()))
            sides = {name: every[name] for name in (case.theirs.runtime, case.ours.runtime)}
            changed = [*moved(run, host), *changed_runtimes(session, sides)]
            refuse_changed(folder, changed, doing="bisected")
            models = resolve_models(loaded, progress)
            refuse_changed(folder, list(changed_models(run, models)), doing="bisected")
            declared = declared_of(loaded, case.cell, case.theirs.runtime)
            trials = Trials(session, sides, model, case.cell, case.theirs.runtime, declared)
            return Search(case, found, trials, text).run()
