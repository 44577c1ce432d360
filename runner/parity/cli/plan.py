"""`parity plan`"""

import typer

from parity.cli.common import (
    AsJson,
    Changes,
    ConfigPath,
    Only,
    Quick,
    Rounds,
    Tests,
    choices_of,
    emit,
    emit_json,
    host_of,
    load,
)


def plan(
    context: typer.Context,
    config: ConfigPath,
    only: Only = None,
    tests: Tests = None,
    rounds: Rounds = None,
    quick: Quick = False,
    changes: Changes = None,
    as_json: AsJson = False,
) -> None:
    """Show what a run would do, in which order, and how long it may take. Runs and downloads nothing."""
    from parity.run.outlook import outlook, render
    from parity.run.progress import showing

    choices = choices_of(only, tests, rounds, changes, quick=quick)
    loaded = load(config, choices=choices)
    with showing({}) as progress:
        found = outlook(loaded, host_of(context).facts(), progress.fetched)
    if as_json:
        emit_json(found.model_dump_json(indent=2))
    else:
        emit(render(found))
