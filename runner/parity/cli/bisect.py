"""`parity bisect`"""

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from parity.cli.common import (
    AsJson,
    RunPath,
    columns,
    emit,
    emit_json,
    host_of,
    recorded_run,
    unchanged_config,
    using_caches,
)


def bisect(
    context: typer.Context,
    run: RunPath,
    cell: Annotated[
        str, typer.Argument(metavar="CELL", help="MODEL/TEST/RUNTIME, or a part that names one cell, such as RUNTIME")
    ],
    command: Annotated[
        str | None,
        typer.Option("--command", metavar="CMD", help="at a commit: run CMD here, then tell whether the fault shows"),
    ] = None,
    limit_s: Annotated[
        float, typer.Option("--limit", metavar="SECONDS", min=1, max=1e7, help="the most that CMD may take")
    ] = 3600.0,
    as_json: AsJson = False,
) -> None:
    """Search for what shows that a runtime's outputs are DRIFT or WRONG.

    \b
    parity bisect RUN CELL                 the first position that shows it, and
                                           the shortest sequence of ids
    git bisect run \\
      parity bisect RUN CELL --command CMD the commit of the runtime's source
                                           that brought it

    \b
    Exit codes:
      130  interrupted; the same command continues the search
      2    usage error, or nothing is wrong with the outputs of the cell
      4    a trial failed, so that the search stopped
      0    the position was found

    \b
    With --command, as `git bisect run` reads them:
      128  usage error, CMD is not there, or a failure of parity's own; git
           stops
      130  interrupted; git stops
      125  CMD, the build or the trial failed, or it can't be told; git skips
      1    the fault shows
      0    the fault is gone
    """
    from parity.errors import ConfigError, RunFolderError
    from parity.run.bisect.checkout import CANNOT_TELL, Told, tell
    from parity.run.bisect.finding import find
    from parity.run.bisect.telling import render
    from parity.visible import printable

    using_caches(context)
    host = host_of(context)
    folder, recorded, choices = recorded_run(run)
    config = partial(unchanged_config, folder, recorded, choices, "bisected")
    if command is None:
        found = find(config(), folder, recorded, cell, host)
        if as_json:
            emit_json(found.model_dump_json(indent=2))
        else:
            emit(render(found, str(run), columns()))
        raise typer.Exit(130 if found.interrupted else 4 if found.stopped is not None else 0)
    try:
        loaded = config()
    except (ConfigError, RunFolderError) as error:
        if not _is_in_checkout(Path(recorded.loaded.file)):
            raise
        # It may be a different one at this commit alone.
        told = Told(code=CANNOT_TELL, sentence=f"can't be told: {error}")
    else:
        told = tell(loaded, folder, recorded, cell, host, command=command, limit_s=limit_s)
    if as_json:
        emit_json(json.dumps(asdict(told), indent=2))
    else:
        emit(printable(told.sentence))
    raise typer.Exit(told.code)


def _is_in_checkout(file: Path) -> bool:
    """Whether it lies in the source tree in which parity was started."""
    here = Path.cwd()
    return file.is_relative_to(next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here))
