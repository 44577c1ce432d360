"""What a run leaves unjudged because options selected a part of its config. Pure."""

from collections.abc import Iterator

from parity.config import LoadedConfig
from parity.gates import Gate, Judgement
from parity.judging.verdict import cells_of, verdict_of
from parity.records import Cell, Verdict


def without_baseline(loaded: LoadedConfig) -> Iterator[Verdict]:
    """NOT RUN for each cell that is selected, of each gate that compares with a baseline that is not."""
    if loaded.whole is None:
        return
    baseline = loaded.whole.baseline
    found = f"the baseline {baseline} is not selected, so that there is nothing to compare with"
    judgement = Judgement("NOT RUN", found, advice=f"add --only {baseline}")
    for gate, cell in _left_out(loaded):
        if cell[2] in loaded.config.runtimes and any(cell[1] == kept.name for kept in loaded.config.tests):
            yield verdict_of(gate, cell, judgement)


def not_selected(loaded: LoadedConfig) -> tuple[str, ...]:
    """The gates on cells that are not selected: `speed (mlx-lm on simple-math)`. Those of a gate together."""
    found: dict[str, list[str]] = {}
    told = {(v.gate, v.test, v.runtime) for v in without_baseline(loaded)}
    for gate, (_, test, runtime) in _left_out(loaded):
        if (gate.name, test, runtime) not in told:
            found.setdefault(gate.name, []).append(f"{runtime} on {test}")
    return tuple(f"{gate} ({', '.join(dict.fromkeys(cells))})" for gate, cells in found.items())


def _left_out(loaded: LoadedConfig) -> Iterator[tuple[Gate, Cell]]:
    """Each gate of the whole config with each cell that it does not judge in this run."""
    if loaded.whole is None:
        return
    judged = {(gate.name, cell) for gate in loaded.config.gates for cell in cells_of(loaded.config, gate)}
    for gate in loaded.whole.gates:
        for cell in cells_of(loaded.whole, gate):
            if (gate.name, cell) not in judged:
                yield gate, cell
