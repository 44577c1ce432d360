"""Which tests are scored, and by the exact arm too, as the gates of a config ask. Pure."""

from collections.abc import Sequence

from parity.config import Config
from parity.gates import Gate


def judged_on(config: Config, test: str, unset: Sequence[str] = ()) -> list[str]:
    """The runtimes, of those that are set, that a gate on outputs covers on a test whose answers are greedy."""
    covered = {runtime for gate in _reading(config, test) for runtime in _judged_by(config, gate)}
    return [runtime for runtime in config.runtimes if runtime in covered and runtime not in unset]


def is_scored(config: Config, test: str, unset: Sequence[str] = ()) -> bool:
    """Whether a gate on outputs covers a test whose answers are greedy, for a runtime that is set."""
    return bool(judged_on(config, test, unset))


def asks_for_truth(config: Config, test: str, unset: Sequence[str] = ()) -> bool:
    """Whether such a gate asks for the exact arm."""
    return any(
        gate.kind == "outputs" and gate.truth and any(name not in unset for name in _judged_by(config, gate))
        for gate in _reading(config, test)
    )


def _reading(config: Config, test: str) -> list[Gate]:
    """The gates that read what is scored of a test; none of one that samples."""
    if not any(t.name == test and t.temperature == 0 for t in config.tests):
        return []
    return [gate for gate in config.gates if gate.reads_scores and (gate.tests is None or test in gate.tests)]


def _judged_by(config: Config, gate: Gate) -> Sequence[str]:
    return gate.runtimes or config.implementations
