"""Explains a run from its folder: opens the transcripts that an explanation goes back to."""

from functools import partial
from typing import Any

from parity.adapter import Adapter
from parity.explain import (
    Explained,
    Traced,
    cell_named,
    cells_of,
    explain_cell,
    explain_metric,
    explain_run,
    metric_named,
    unfold,
)
from parity.reading.events import read_events
from parity.records import Trial
from parity.run.log import RunFolder
from parity.run.score import score
from parity.run.session import LOCAL, make_adapters
from parity.transcript import read_transcript
from parity.transcript.numbers import line_numbers


def explain(folder: RunFolder, cell: str | None = None, metric: str | None = None) -> Explained:
    """A run, one of its cells, or one metric of a cell. A pure function of the run folder.

    Raises:
        ParityError: there is no such cell or metric, or several cells fit.
    """
    report, named = score(folder), str(folder.path)
    if cell is None:
        return explain_run(report, named)
    chosen = cell_named(cell, cells_of(report))
    if metric is None:
        return explain_cell(report, chosen, named)
    run = folder.read_run()
    adapters = make_adapters(run.loaded, run.hosts[LOCAL])
    trace = partial(_traced, folder, adapters)
    return explain_metric(report, chosen, metric_named(metric), trace, run.loaded.config.rounds.looks)


def _traced(folder: RunFolder, adapters: dict[str, Adapter[Any]], trial: Trial) -> Traced:
    path = folder.path / trial.file
    transcript = read_transcript(path)
    job = transcript.head.job
    assert job is not None, "a trial's transcript opens with its job"
    unfolded = unfold(transcript)
    events, _ = read_events(adapters[trial.runtime], unfolded.transcript, job)
    return Traced(trial.file, transcript, unfolded, events, line_numbers(path))
