"""`parity adapter`"""

from pathlib import Path
from typing import Annotated

import typer

from parity.cli.common import AsJson, emit, emit_json, host_of, load, using_caches

app = typer.Typer(help="Show which adapters are installed, and check one.", no_args_is_help=True)


@app.callback()
def _adapter() -> None:
    """Show which adapters are installed, and check one."""


@app.command("list")
def list_adapters() -> None:
    """List the adapters that are installed here, with the package that each comes from."""
    from tabulate import tabulate

    from parity.registry import entries

    rows = [(entry.name, entry.package, entry.broken or "ok") for entry in entries()]
    emit(tabulate(rows, headers=("Adapter", "Package", "State"), tablefmt="simple", disable_numparse=True))


@app.command("check")
def check(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="an adapter, or its class as MODULE:CLASS or FILE.py:CLASS; with --config, a runtime"
        ),
    ],
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="a TOML config with the runtime's table")
    ] = None,
    transcript: Annotated[
        Path | None,
        typer.Option(
            "--transcript",
            metavar="PATH",
            help="a recorded trial, or a run folder; by default one short trial of a tiny model is run",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check whether an adapter keeps to the contract.

    It is asked for what it must know without its runtime, and given output that is whole, cut off at every byte, and
    damaged.

    Exits with 1 if a check fails, and with 4 if one could not be run.
    """
    from parity.run.conformance import conforms, evidence_in, one_trial, render, subject_of

    using_caches(context)
    host = host_of(context)
    subject = subject_of(name, load(config) if config is not None else None, host)
    evidence = one_trial(subject, host) if transcript is None else evidence_in(transcript, subject)
    checked = conforms(subject.adapter, evidence, subject.job)
    if as_json:
        emit_json("[" + ",\n".join(each.model_dump_json() for each in checked) + "]")
    else:
        emit(render(checked))
    states = {each.state for each in checked}
    if code := 1 if "FAIL" in states else 4 if "NOT RUN" in states else 0:
        raise typer.Exit(code)
