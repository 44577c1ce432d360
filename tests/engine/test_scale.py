"""What parity does grows with the trials, not with their square: counted in calls, which no busy machine changes."""

import cProfile
import pstats
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import pytest
from large_runs import Size, make_run

from parity.gates import Judgement
from parity.judging.evidence import Standing
from parity.judging.outputs import compared_of
from parity.outputs import Compared
from parity.records import Report, Trial
from parity.report import FORMATS, index, json_pieces
from parity.run import state as states
from parity.run.log import RunFolder
from parity.run.score import recorded_runtimes, recorded_state
from parity.run.session import LOCAL, make_adapters
from parity.run.state import State
from parity.transcript import Transcript, reading
from parity.transcript.packing import open_transcript

TIMES = 4
FEW, MANY = Size(tests=8, rounds=2), Size(tests=8 * TIMES, rounds=2)
SHORT, LONG = Size(rounds=6), Size(rounds=6 * TIMES)


@dataclass(frozen=True)
class Made:
    """A run folder that was made, and the state of its run."""

    folder: RunFolder
    state: State


def read(folder: RunFolder) -> State:
    run = folder.read_run()
    return recorded_state(folder, run, recorded_runtimes(folder, make_adapters(run.loaded, run.hosts[LOCAL])))


def made_of(folder: Path, size: Size) -> Made:
    folder.mkdir()
    made = make_run(folder, size)
    return Made(made, read(made))


def two_runs(folder: Path, one: Size, other: Size) -> tuple[Made, Made]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PARITY_CACHE", str(folder / "cache"))
        few, many = made_of(folder / "few", one), made_of(folder / "many", other)
    # What is imported at the first use is no part of either.
    for render in FORMATS.values():
        render(few.state.report("r", interrupted=False))
    return few, many


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Made, Made]:
    return two_runs(tmp_path_factory.mktemp("runs"), FEW, MANY)


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory) -> tuple[Made, Made]:
    return two_runs(tmp_path_factory.mktemp("histories"), SHORT, LONG)


def calls(work: Callable[[], Any]) -> int:
    profile = cProfile.Profile()
    profile.runcall(work)
    total: int = pstats.Stats(profile).total_calls  # type: ignore[attr-defined]
    return total


def fresh(made: Made) -> State:
    """Without what was computed of it before."""
    return replace(made.state, _judged={})


def report_of(made: Made) -> Report:
    return fresh(made).report("r", interrupted=False)


WORK: dict[str, Callable[[Made], Any]] = {
    "reading": lambda made: read(made.folder),
    "what is given up": lambda made: fresh(made).given_up,
    "what is due": lambda made: ((state := fresh(made)).due.next_turn(), state.due.slots),
    "the verdicts": report_of,
    "the terminal's table": lambda made: FORMATS["table"](report_of(made)),
    "report.html": lambda made: FORMATS["html"](report_of(made)),
    "report.json": lambda made: list(json_pieces(report_of(made))),
}


@pytest.mark.parametrize("work", WORK)
def test_four_times_the_cells_take_about_four_times_the_calls(runs: tuple[Made, Made], work: str) -> None:
    few, many = (calls(lambda made=made: WORK[work](made)) for made in runs)
    assert many <= 1.03 * TIMES * few


@pytest.mark.parametrize("work", WORK)
def test_four_times_the_rounds_take_at_most_four_times_the_calls(histories: tuple[Made, Made], work: str) -> None:
    few, many = (calls(lambda made=made: WORK[work](made)) for made in histories)
    assert many <= 1.03 * TIMES * few


def test_reading_opens_each_transcript_once(runs: tuple[Made, Made], monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []

    def counted(path: Path) -> IO[bytes]:
        opened.append(path)
        return open_transcript(path)

    monkeypatch.setattr(reading, "open_transcript", counted)
    read(runs[0].folder)
    assert len([path for path in opened if path.parent.name == "trials"]) == FEW.trials


def test_a_good_trial_is_read_without_the_last_lines_that_failures_show(
    runs: tuple[Made, Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwanted(*_: object, **__: object) -> None:
        raise AssertionError("the last lines were looked for")

    monkeypatch.setattr(Transcript, "tail", unwanted)
    assert all(trial.failure is None for trial in read(runs[0].folder).trials)


def test_the_page_compares_outputs_over_the_trials_of_each_model_and_test_alone(
    runs: tuple[Made, Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[int] = []

    def counted(report: Report, model: str, test: str, trials: Sequence[Trial], scored: Sequence[Trial]) -> Compared:
        looked_at.append(len(trials) + len(scored))
        return compared_of(report, model, test, trials, scored)

    monkeypatch.setattr(index, "compared_of", counted)
    FORMATS["html"](report_of(runs[0]))
    assert looked_at == [FEW.trials // FEW.tests] * FEW.tests


def test_no_piece_of_report_json_grows_with_the_run(runs: tuple[Made, Made]) -> None:
    few, many = (max(map(len, json_pieces(report_of(made)))) for made in runs)
    assert many <= 1.1 * few


def test_records_hold_no_set_of_the_fields_that_were_given(runs: tuple[Made, Made]) -> None:
    one, other, *_ = runs[0].state.trials
    assert one.model_fields_set is other.measurements[0].model_fields_set
    assert not one.but(void="busy").model_fields_set


def test_a_turn_judges_no_model_and_test_again_whose_trials_are_the_same(
    runs: tuple[Made, Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[Any] = []

    def open_for_all(loaded: Any, trials: Any, pair: Any, *_: Any) -> list[Standing]:
        judged.append(pair)
        return [Standing("speed", (*pair, "r1"), Judgement("INCONCLUSIVE", "", open=True))]

    monkeypatch.setattr(states, "standings", open_for_all)
    many = runs[1].state
    config = many.config.but(rounds=many.config.rounds.but(count=None, least=2, max=20))
    state = replace(many, run=many.run.but(loaded=many.run.loaded.but(config=config)), _judged={})
    turn = state.due.next_turn()
    assert turn is not None
    assert len(judged) == MANY.tests
    again = state.after(state.trials[-1].but(test=turn[0].test, runtime=turn[0].runtime, round=3, file="new"))
    assert again.due.next_turn() is not None
    assert judged[MANY.tests :] in ([], [("m", turn[0].test)])
