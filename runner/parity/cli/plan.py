"""`parity plan`"""

from parity.cli.common import AsJson, ConfigPath, emit, load


def plan(config: ConfigPath, as_json: AsJson = False) -> None:
    """Show what a run would do, in which order, and how long it may take. Runs and downloads nothing."""
    from parity.run.outlook import outlook, render

    found = outlook(load(config))
    emit(found.model_dump_json(indent=2) if as_json else render(found))
