"""The program `parity`: its commands, and nothing of what they do."""

from typing import Annotated, Any

import typer
import typer.core

from parity.cli import (
    adapter,
    bisect,
    clean,
    compare,
    doctor,
    explain,
    history,
    importing,
    init,
    plan,
    report,
    run,
    schema,
    score,
    synth,
)
from parity.cli.common import emit


class IoFailedError(Exception):
    """A file or a stream failed, its cause says how. Typer takes a broken pipe of any kind for a reader of standard
    output that has seen enough, and exits with 1, which is a verdict."""


class Commands(typer.core.TyperGroup):
    """The commands, whose failures of input and output stay what they are."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (OSError, EOFError) as error:
            raise IoFailedError from error


app = typer.Typer(
    cls=Commands,
    help="Measure LLM runtimes the same way and compare them with a baseline.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(init.init)
app.command()(run.run)
app.command()(plan.plan)
app.command()(doctor.doctor)
app.command()(score.score)
app.command()(report.report)
app.command()(explain.explain)
app.command()(history.history)
app.command()(compare.compare)
app.command()(bisect.bisect)
app.command()(synth.synth)
app.command()(clean.clean)
app.add_typer(importing.app, name="import")
app.add_typer(adapter.app, name="adapter")
app.command()(schema.schema)


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", help="print the version and exit")] = False,
) -> None:
    if version:
        from parity.version import version as own

        emit(f"parity {own()}")
        raise typer.Exit
