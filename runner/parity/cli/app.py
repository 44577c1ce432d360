"""The program `parity`: its commands, and nothing of what they do."""

from typing import Annotated

import typer

from parity.cli import adapter, bisect, doctor, explain, plan, report, run, schema, score, synth
from parity.cli.common import emit

app = typer.Typer(
    help="Measure LLM runtimes the same way and compare them with a baseline.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(run.run)
app.command()(plan.plan)
app.command()(doctor.doctor)
app.command()(score.score)
app.command()(report.report)
app.command()(explain.explain)
app.command()(bisect.bisect)
app.command()(synth.synth)
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
