"""A run whose folder can't be written any more: what it has measured is still judged."""

from dataclasses import replace

from parity.errors import RunFolderError
from parity.records import Exit, Report
from parity.run.log import RunFolder
from parity.run.score import score
from parity.run.state import State

LOST = 74
"""EX_IOERR of sysexits.h."""


class LogLostError(Exception):
    """The folder of a run failed in the middle of it. `report`: of what was measured until then, whose exit code says
    that it is not whole."""

    def __init__(self, folder: RunFolder, report: Report, why: str) -> None:
        self.folder = folder
        self.report = report
        self.why = why
        super().__init__(why)


def log_lost(folder: RunFolder, state: State, error: OSError | RunFolderError) -> LogLostError:
    """What is to be told when a folder failed. Its transcripts are read if they can be, and else what is in memory."""
    try:
        folder.check()
    except OSError as gone:
        error = gone
    report = _report(folder, state)
    why = f"{error.filename or folder.path}: {error.strerror}" if isinstance(error, OSError) else str(error)
    left = "" if report.exit.code == 130 else f"; it would have been {report.exit.code}: {report.exit.reason}"
    reason = f"the run folder could not be written ({why}){left}"
    return LogLostError(folder, report.but(exit=Exit(code=LOST, reason=reason)), why)


def _report(folder: RunFolder, state: State) -> Report:
    """The report as the disk has it, unless it lacks what was measured."""
    unfinished = state.due.next_turn() is not None
    known = replace(state, spawned=len(state.trials)).report(folder.name, interrupted=unfinished)
    try:
        folder.check()
        found = score(folder)
    except (OSError, RunFolderError):
        return known
    if len(found.trials) < len(known.trials):
        return known
    return found if unfinished else found.but(exit=known.exit, interrupted=False)
