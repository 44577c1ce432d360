"""`parity report`"""

from typing import Annotated

import typer

from parity.cli.common import RunPath, emit


def report(
    run: RunPath,
    format: Annotated[str, typer.Option("--format", help="table, markdown, page or json")] = "table",
) -> None:
    """Print the report of a run. Changes nothing."""
    from parity.report import FORMATS
    from parity.run.log import RunFolder
    from parity.run.score import score

    if format not in FORMATS:
        raise typer.BadParameter(f"{format!r} is none of {', '.join(FORMATS)}", param_hint="--format")
    emit(FORMATS[format](score(RunFolder.open(run))))
