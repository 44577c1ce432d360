"""Gates for a run that is over, from a file that holds nothing else: other thresholds for the same trials."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from parity.config.complaints import validate
from parity.config.loading import LoadedConfig
from parity.config.names import check_gates
from parity.config.reading import read_tree
from parity.config.selecting import gates_on
from parity.errors import ConfigError, Problem
from parity.gates import Gate
from parity.records import Record


class GatesFile(Record):
    """A file of gates."""

    gates: tuple[Annotated[Gate, Field(discriminator="kind")], ...] = Field(
        min_length=1, description="conditions, as in a config"
    )


def with_gates_of(path: Path, loaded: LoadedConfig) -> LoadedConfig:
    """The config with the gates of a file in place of its own. In a run of a part, they are gates of the whole config
    of which the same part is selected.

    Raises:
        ConfigError: with every problem of the file.
    """
    _, tree = read_tree(path)
    problems: list[Problem] = []
    found = validate(GatesFile, tree, (), problems)
    whole = None if found is None else (loaded.whole or loaded.config).but(gates=found.gates)
    if whole is not None:
        problems += check_gates(whole, [test.name for test in whole.tests])
    if problems or whole is None:
        raise ConfigError(str(path), problems)
    if loaded.whole is None:
        return loaded.but(config=whole)
    part = loaded.config
    gates = gates_on(whole, tuple(part.runtimes), [test.name for test in part.tests])
    return loaded.but(config=part.but(gates=tuple(gates)), whole=whole)
