"""Which sequences of ids the runtimes of a model and test score. Pure.

Every runtime scores one greedy answer, after its prompt: by that the runtimes are compared with each other. One whose
own answer is different scores that too: by that it is compared with itself. A text that differs, of a runtime that
shows no ids, is scored by all that can: by that its choices are judged.
"""

from collections.abc import Iterator, Sequence, Set

from parity.config import Config, TestConfig
from parity.judging.scored import judged_on
from parity.outputs.texts import differ
from parity.records import OWN, SHARED, ScoreRequest, Slot, Trial, text_round

NONE: frozenset[str] = frozenset()


def sequence_of(
    config: Config, slot: Slot, trials: Sequence[Trial], own_scorers: Set[str] = NONE
) -> ScoreRequest | None:
    """What the trial of a slot of the task `score` scores; None where there is nothing to score. One of the
    `own_scorers` has nothing to score where nobody scores the shared answer.

    The shared answer is that of the first good measured trial that shows its ids: one of the baseline, or else of the
    runtime that comes first in the config."""
    if slot.round > OWN:
        return _of_text(config, slot, trials)
    answers = list(_answers(slot, trials))
    shared = next((found for name in (config.baseline, *config.runtimes) for found in _of(name, answers)), None)
    if slot.round == SHARED:
        return shared
    if slot.runtime in own_scorers:
        return shared.but(own=True) if shared is not None else None
    own = next(_of(slot.runtime, answers), None)
    return own if own != shared else None


def texts_of(config: Config, test: TestConfig, scorers: Set[str], unset: Sequence[str] = ()) -> list[int]:
    """The rounds in which texts of a test may be scored: each runtime has the one after its place in the config,
    whatever the trials show. Those that score show ids, so that their texts say no more."""
    judged = {*judged_on(config, test, unset), config.baseline} - scorers
    return [text_round(place) for place, name in enumerate(config.runtimes) if name in judged]


def _of_text(config: Config, slot: Slot, trials: Sequence[Trial]) -> ScoreRequest | None:
    """The text of the runtime that has this round, if it differs from that of the baseline; the baseline's, if it
    differs from that of an implementation."""
    name = list(config.runtimes)[slot.round - OWN - 1]
    first = {trial.runtime: trial for trial in reversed(_good(slot, trials))}
    mine = first.get(name)
    if mine is None or mine.prompt_ids is None or mine.text_ids is None or mine.text is None:
        return None
    others = [config.baseline] if name != config.baseline else judged_on(config, config.test(slot.test))
    texts = [first[other].text for other in others if other in first]
    if not any(differ(mine.text, text) for text in texts if text is not None):
        return None
    return ScoreRequest(ids=(*mine.prompt_ids, *mine.text_ids), prompt_tokens=len(mine.prompt_ids))


Answer = tuple[str, ScoreRequest]
"""A runtime, and the prompt and answer of one of its trials."""


def _answers(slot: Slot, trials: Sequence[Trial]) -> Iterator[Answer]:
    """Of the good trials of a model and test that show their ids."""
    for trial in _good(slot, trials):
        if trial.prompt_ids and trial.output_ids:
            ids = (*trial.prompt_ids, *trial.output_ids)
            yield trial.runtime, ScoreRequest(ids=ids, prompt_tokens=len(trial.prompt_ids))


def _good(slot: Slot, trials: Sequence[Trial]) -> list[Trial]:
    """The measured trials of a model and test that gave a result; those that are void last, for they may not count."""
    of_test = [t for t in trials if (t.model, t.test, t.kind) == (slot.model, slot.test, "full") and t.is_measured]
    return sorted((t for t in of_test if t.failure is None), key=lambda trial: trial.void is not None)


def _of(runtime: str, answers: Sequence[Answer]) -> Iterator[ScoreRequest]:
    return (request for name, request in answers if name == runtime)
