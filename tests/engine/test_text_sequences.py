"""Which texts of runtimes without ids are scored, by whom, in which round, and when the run goes on after a kill."""

from collections.abc import Sequence
from typing import Any

import pytest

from parity.config import Config
from parity.records import Failure, Slot, Trial
from parity.run.due import Due
from parity.run.progress import describe
from parity.run.schedule import schedule
from parity.run.sequences import sequence_of

RUNTIMES = ("base", "printer", "scorer", "witness", "other")
SCORERS = frozenset({"scorer", "witness"})
PROMPT = (1, 2)
TEXTS = {"base": ("a b c d", (11, 12, 13, 14)), "printer": ("a b x y", (11, 12, 23, 24)), "other": ("a b  c\nd", (9,))}


def config(**changes: Any) -> Config:
    whole = {
        "name": "c",
        "baseline": "base",
        "models": ({"name": "m", "source": "m"},),
        "tests": ({"name": "t", "prompt": "p", "max_tokens": 4},),
        "runtimes": {name: {"adapter": "command"} for name in RUNTIMES},
        "rounds": {"count": 2, "warmup": 0},
        "gates": ({"name": "same", "kind": "outputs"},),
        **changes,
    }
    return Config.model_validate(whole)


def answered(slot: Slot, **texts: tuple[str, tuple[int, ...]]) -> Trial:
    """The trial of a slot; scorers show ids and the text of the baseline."""
    blank = Trial(file="f", **slot.model_dump(exclude={"host"}))
    if slot.task == "score":
        return blank
    text, ids = {**TEXTS, **texts}.get(slot.runtime, ("a b c d", ()))
    shown = (11, 12, 13, 14) if slot.runtime in SCORERS else None
    return blank.but(prompt_ids=PROMPT, text=text, text_ids=ids or None, output_ids=shown)


def ran(asked: Config, **texts: tuple[str, tuple[int, ...]]) -> list[Trial]:
    """The trials of a whole run."""
    trials: list[Trial] = []
    while (turn := Due(asked, trials, scorers=SCORERS).next_turn()) is not None:
        trials += [answered(slot, **texts) for slot in turn]
    return trials


def scored(trials: Sequence[Trial]) -> list[tuple[int, str]]:
    return [(trial.round, trial.runtime) for trial in trials if trial.task == "score"]


SHARED = [(1, "scorer"), (1, "witness")]


def test_a_text_that_differs_and_the_baselines_are_scored_by_all_that_can() -> None:
    # `printer` is the second runtime of the config: rounds 1 and 2 are of ids, and 3 is the baseline's.
    assert scored(ran(config())) == [*SHARED, (3, "scorer"), (3, "witness"), (4, "scorer"), (4, "witness")]


def test_texts_that_differ_in_white_space_alone_are_not_scored() -> None:
    assert scored(ran(config(), printer=("a b c d", (11, 12, 13, 14)))) == SHARED


def test_the_round_of_a_text_depends_on_the_config_alone() -> None:
    other = ran(config(), printer=TEXTS["base"], other=("a b z", (9, 8)))
    assert scored(other)[2:] == [(3, "scorer"), (3, "witness"), (7, "scorer"), (7, "witness")]
    rounds = {slot.round for turn in schedule(config(), scorers=SCORERS) for slot in turn if slot.task == "score"}
    assert rounds == {1, 2, 3, 4, 7}


def test_only_texts_that_a_gate_judges_are_scored() -> None:
    asked = config(gates=({"name": "same", "kind": "outputs", "runtimes": ("other",)},))
    assert scored(ran(asked)) == SHARED
    assert scored(ran(config(gates=()))) == []


@pytest.mark.parametrize(
    "missing",
    [{"printer": ("a b x y", ())}, {"printer": ("", (11,))}, {"base": ("", ())}],
    ids=["no ids", "no text", "no text of the baseline"],
)
def test_what_is_not_known_is_not_scored(missing: dict[str, tuple[str, tuple[int, ...]]]) -> None:
    assert (4, "scorer") not in scored(ran(config(), **missing))


def test_a_run_that_was_killed_goes_on_with_what_is_left() -> None:
    whole = ran(config())
    for k in range(len(whole)):
        trials = whole[:k]
        while (turn := Due(config(), trials, scorers=SCORERS).next_turn()) is not None:
            trials += [answered(slot) for slot in turn]
        assert [trial.place for trial in trials] == [trial.place for trial in whole]


def test_a_trial_that_was_interrupted_comes_again() -> None:
    whole = ran(config())
    cut = whole[-1].but(failure=Failure(kind="interrupted", message=""))
    turn = Due(config(), [*whole[:-1], cut], scorers=SCORERS).next_turn()
    assert turn is not None
    assert [(slot.round, slot.runtime, slot.attempt) for slot in turn] == [(4, "witness", 2)]
    assert describe(turn[0]) == "score of text 2 · m · t · witness"


def test_what_is_scored_is_the_prompt_and_then_the_text() -> None:
    trials = ran(config())
    slot = Slot(model="m", test="t", runtime="scorer", round=4, task="score")
    asked = sequence_of(config(), slot, trials)
    assert asked is not None
    assert (asked.ids, asked.prompt_tokens) == ((1, 2, 11, 12, 23, 24), 2)
