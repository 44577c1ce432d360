"""`parity adapter`"""

import typer

from parity.cli.common import emit

app = typer.Typer(help="Show which adapters are installed.", no_args_is_help=True)


@app.callback()
def _adapter() -> None:
    """Show which adapters are installed."""


@app.command("list")
def list_adapters() -> None:
    """List the adapters that are installed here, with the package that each comes from."""
    from tabulate import tabulate

    from parity.registry import entries

    rows = [(entry.name, entry.package, entry.broken or "ok") for entry in entries()]
    emit(tabulate(rows, headers=("Adapter", "Package", "State"), tablefmt="simple", disable_numparse=True))
