"""How each cell is made again, as lines that can be pasted."""

import shlex
from collections.abc import Iterator

from parity.report.again import run_again
from parity.report.html.answers import cells_of
from parity.report.html.times import median_trial
from parity.report.html.view import Command
from parity.report.index import Index


def commands_of(index: Index) -> Iterator[Command]:
    """Of each cell that ran, in the order of the config."""
    for workload in index.workloads:
        for cell in cells_of(index, workload):
            chosen = median_trial(cell) or next((trial for trial in reversed(cell.trials) if trial.command), None)
            if chosen is not None and chosen.command:
                yield Command(
                    title=index.cell_title(*chosen.cell),
                    run=run_again(index.report, workload.test.name, (index.report.baseline, cell.name)),
                    explain=shlex.join(["parity", "explain", "RUN", "/".join(chosen.cell)]),
                    process=shlex.join(chosen.command),
                )
