"""Which tests are scored, and by the exact arm too, as the gates of a config ask. Pure."""

from collections.abc import Iterator, Sequence

from parity.config import Config, TestConfig
from parity.gates import Gate


def judged_on(config: Config, test: TestConfig, unset: Sequence[str] = ()) -> list[str]:
    """The runtimes, of those that are set, that a gate on outputs covers on a test whose answers are greedy."""
    if test.temperature > 0:
        return []
    gates = (gate for gate in _covering(config, test) if gate.reads_scores)
    covered = {runtime for gate in gates for runtime in _judged_by(config, gate, unset)}
    return [runtime for runtime in config.runtimes if runtime in covered]


def is_scored(config: Config, test: TestConfig, unset: Sequence[str] = ()) -> bool:
    """Whether a gate on outputs covers a test whose answers are greedy, for a runtime that is set."""
    return bool(judged_on(config, test, unset))


def asks_for_truth(config: Config, test: TestConfig, unset: Sequence[str] = ()) -> bool:
    """Whether such a gate asks for the exact arm, for a runtime that is set. There is none of a test that samples."""
    return any(
        gate.kind == "outputs" and gate.truth and _judged_by(config, gate, unset) for gate in _covering(config, test)
    )


def has_truth(config: Config, test: TestConfig, unset: Sequence[str] = ()) -> bool:
    """Whether the exact arm scores a test: it is asked for, and the answers are greedy."""
    return test.temperature == 0 and asks_for_truth(config, test, unset)


def _covering(config: Config, test: TestConfig) -> Iterator[Gate]:
    return (gate for gate in config.gates if gate.tests is None or test.name in gate.tests)


def _judged_by(config: Config, gate: Gate, unset: Sequence[str]) -> list[str]:
    return [name for name in gate.runtimes or config.implementations if name not in unset]
