"""`parity plan`"""

import typer

from parity.cli.common import AsJson, ConfigPath, emit, host_of, load


def plan(context: typer.Context, config: ConfigPath, as_json: AsJson = False) -> None:
    """Show what a run would do, in which order, and how long it may take. Runs and downloads nothing."""
    from parity.run.outlook import outlook, render

    found = outlook(load(config), host_of(context).facts())
    emit(found.model_dump_json(indent=2) if as_json else render(found))
