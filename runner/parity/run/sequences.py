"""Which sequences of ids the runtimes of a model and test score. Pure.

Every runtime scores one greedy answer, after its prompt: by that the runtimes are compared with each other. One whose
own answer is different scores that too: by that it is compared with itself.
"""

from collections.abc import Iterator, Sequence

from parity.config import Config
from parity.records import SHARED, ScoreRequest, Slot, Trial


def is_scored(config: Config, test: str, unset: Sequence[str] = ()) -> bool:
    """Whether a gate on outputs covers a test whose answers are greedy, for a runtime that is set."""
    greedy = any(t.name == test and t.temperature == 0 for t in config.tests)
    return greedy and any(
        gate.reads_scores
        and (gate.tests is None or test in gate.tests)
        and any(runtime not in unset for runtime in gate.runtimes or config.implementations)
        for gate in config.gates
    )


def sequence_of(config: Config, slot: Slot, trials: Sequence[Trial]) -> ScoreRequest | None:
    """What the trial of a slot of the task `score` scores; None where there is nothing to score.

    The shared answer is that of the first good measured trial that shows its ids: one of the baseline, or else of the
    runtime that comes first in the config."""
    answers = list(_answers(slot, trials))
    shared = next((found for name in (config.baseline, *config.runtimes) for found in _of(name, answers)), None)
    if slot.round == SHARED:
        return shared
    own = next(_of(slot.runtime, answers), None)
    return own if own != shared else None


Answer = tuple[str, ScoreRequest]
"""A runtime, and the prompt and answer of one of its trials."""


def _answers(slot: Slot, trials: Sequence[Trial]) -> Iterator[Answer]:
    """Of the good measured trials of a model and test that show their ids; those that are void last, for they may not
    count."""
    for trial in sorted(trials, key=lambda trial: trial.void is not None):
        good = (trial.model, trial.test, trial.kind) == (slot.model, slot.test, "full") and trial.is_measured
        if good and trial.failure is None and trial.prompt_ids and trial.output_ids:
            ids = (*trial.prompt_ids, *trial.output_ids)
            yield trial.runtime, ScoreRequest(ids=ids, prompt_tokens=len(trial.prompt_ids))


def _of(runtime: str, answers: Sequence[Answer]) -> Iterator[ScoreRequest]:
    return (request for name, request in answers if name == runtime)
