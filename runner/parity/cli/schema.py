"""`parity schema`"""

from typing import Annotated

import typer

from parity.cli.common import emit_json


def schema(
    what: Annotated[
        str, typer.Argument(metavar="NAME", help="config, events, explanation, job, report, results or run")
    ] = "config",
) -> None:
    """Print the JSON Schema of a config, of the event protocol, of a job, or of a run's files."""
    from parity.cli.schemas import schema_of

    emit_json(schema_of(what))
