"""`parity explain`"""

from typing import Annotated

import typer

from parity.cli import completing
from parity.cli.common import AsJson, RunPath, coloured, columns, emit_json, emit_styled


def explain(
    run: RunPath,
    cell: Annotated[
        str | None,
        typer.Argument(
            metavar="CELL",
            help="MODEL/TEST/RUNTIME, or a part that names one cell, such as RUNTIME",
            autocompletion=completing.cells,
        ),
    ] = None,
    metric: Annotated[
        str | None, typer.Argument(metavar="METRIC", help="such as gen_tps", autocompletion=completing.metrics)
    ] = None,
    round: Annotated[
        int | None, typer.Option("--round", help="the round whose lines are shown; by default a typical one")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Explain verdicts: from lines of transcripts to figures, intervals and gates. Changes nothing.

    \b
    parity explain RUN                the cells of a run with their verdicts
    parity explain RUN CELL           all metrics of a cell
    parity explain RUN CELL METRIC    one metric: lines, definition, rounds,
                                      interval, identity, conditions, verdicts
    """
    from parity.explain import MetricExplained, render_explained
    from parity.run.explaining import explain as explained_of
    from parity.run.log import RunFolder

    explained = explained_of(RunFolder.open(run), cell, metric)
    if round is not None:
        known = [row.round for row in explained.rounds] if isinstance(explained, MetricExplained) else []
        if round not in known:
            hint = f"rounds here: {', '.join(map(str, known)) or 'none'}" if metric else "name a CELL and a METRIC too"
            raise typer.BadParameter(f"there is no round {round} to show; {hint}", param_hint="--round")
    if as_json:
        emit_json(explained.model_dump_json(indent=2))
        return
    emit_styled(render_explained(explained, columns(), colour=coloured(), round=round))
