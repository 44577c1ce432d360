"""Which sequence of ids the runtimes of a model and test score: a greedy answer of this run, after its prompt. Pure."""

from collections.abc import Sequence

from parity.config import Config
from parity.records import ScoreRequest, Trial


def is_scored(config: Config, test: str) -> bool:
    """Whether a gate on outputs covers a test whose answers are greedy."""
    greedy = any(t.name == test and t.temperature == 0 for t in config.tests)
    return greedy and any(gate.reads_scores and (gate.tests is None or test in gate.tests) for gate in config.gates)


def sequence_of(config: Config, model: str, test: str, trials: Sequence[Trial]) -> ScoreRequest | None:
    """The prompt and the answer of the first good measured trial that shows the ids of both: one of the baseline, or
    else of the runtime that comes first in the config. None where no trial shows them."""
    good = [
        trial
        for trial in trials
        if (trial.model, trial.test, trial.kind) == (model, test, "full") and trial.is_measured and not trial.failure
    ]
    for runtime in (config.baseline, *config.runtimes):
        for trial in good:
            if trial.runtime == runtime and trial.prompt_ids and trial.output_ids:
                ids = (*trial.prompt_ids, *trial.output_ids)
                return ScoreRequest(ids=ids, prompt_tokens=len(trial.prompt_ids))
    return None
