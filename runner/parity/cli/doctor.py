"""`parity doctor`"""

from pathlib import Path
from typing import Annotated

import typer

from parity.cli.common import AsJson, emit, emit_json, host_of, load, using_caches


def doctor(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Argument(metavar="CONFIG", help="a TOML config; by default every installed adapter is checked"),
    ] = None,
    build: Annotated[bool, typer.Option("--build", help="also build the runtimes that are built from source")] = False,
    as_json: AsJson = False,
) -> None:
    """Check which runtimes can be used on this machine, and say how to fix the others.

    A runtime is proved if it has generated a few tokens with a tiny model here.

    Exits with 4 if a runtime is not ready.
    """
    from parity.run.doctor import examine, render
    from parity.run.progress import showing

    using_caches(context)
    loaded = load(config) if config is not None else None
    with showing() as progress:
        checkups = list(examine(loaded, host_of(context), progress, build=build))
    if as_json:
        emit_json("[" + ",\n".join(checkup.model_dump_json() for checkup in checkups) + "]")
    else:
        emit(render(checkups))
    if any(checkup.status in ("not ready", "broken") for checkup in checkups):
        raise typer.Exit(4)
