"""Adds rounds to a run that is over. They are judged as the others are: by intervals that hold at all rounds."""

from parity.config import Choices, Extension
from parity.errors import RunFolderError
from parity.judging.evidence import Pair
from parity.run.log import RunFolder
from parity.run.record import RunRecord
from parity.run.schedule import pairs_of
from parity.run.score import recorded_runtimes, recorded_state
from parity.run.session import LOCAL, make_adapters
from parity.run.state import State
from parity.stats import LEAST


def extended(folder: RunFolder, run: RunRecord, added: int) -> Choices:
    """The options of a run with so many rounds more: at most that many for each model and test of which something is
    undecided, or exactly that many for all, where nothing is.

    Raises:
        RunFolderError: the run is not over yet, or it was judged once and for all.
    """
    if folder.interrupted:
        raise RunFolderError(
            f"{folder.path}: can't be given more rounds: it was interrupted\n"
            f"    `parity run --resume {folder.path}` goes on with it first"
        )
    state = recorded_state(folder, run, recorded_runtimes(folder, make_adapters(run.loaded, run.hosts[LOCAL])))
    rounds, choices = run.loaded.config.rounds, run.loaded.choices
    if rounds.exactly is not None and rounds.exactly >= LEAST:
        raise RunFolderError(_judged_once(folder, rounds.exactly, added))
    ran = max((trial.round for trial in state.trials if trial.is_measured), default=0)
    undecided = any(_undecided(state, (model, test.name)) for model, test in pairs_of(run.loaded.config))
    before = choices.extended
    return choices.but(
        extended=Extension(
            added=added + (before.added if before is not None else 0),
            max=ran + added,
            least=min(rounds.least, ran + added) if undecided else ran + added,
            planned=before.planned if before is not None else rounds.looks.last,
        )
    )


def _judged_once(folder: RunFolder, fixed: int, added: int) -> str:
    """Why a run gets no more rounds whose fixed number was enough for a verdict."""
    return (
        f"{folder.path}: can't be given more rounds: it has a fixed number of rounds ({fixed}), and its verdicts are "
        "those at its end; judged again after more, they would be wrong more often than the report says\n"
        f"    run the config anew with `rounds.max = {fixed + added}` and no fixed number: "
        "without `fixed`, `count` and --rounds"
    )


def _undecided(state: State, pair: Pair) -> list[str]:
    """What more rounds may decide; nothing, of a run with a fixed number of rounds."""
    return state.undecided(pair, [trial for trial in state.trials if (trial.model, trial.test) == pair])
