"""What several commands share: their arguments, reading a config, and printing a result."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from parity.config import LoadedConfig
    from parity.hosts.host import Host
    from parity.records import Report

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="a TOML config, such as configs/quickstart.toml")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="a run folder, such as .parity/runs/…")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON for a program to read")]

PLAIN_COLUMNS = 80


def emit(text: str) -> None:
    """Prints a result. Whoever closes the pipe early has seen enough: the exit code stays the run's."""
    try:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def columns() -> int:
    """How wide the lines of a result may be."""
    import shutil

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else PLAIN_COLUMNS


def load(path: Path, texts: Mapping[str, str] | None = None) -> "LoadedConfig":
    """A config with the adapters that are installed here. `texts`: see `load_config`."""
    from parity.config import load_config
    from parity.registry import prompt_as, settings_of

    return load_config(path, settings_of, prompt_as=prompt_as, texts=texts)


def host_of(context: typer.Context) -> "Host":
    """The machine that the command works on: this one, unless the caller of the program brought a different one."""
    from parity.hosts.local import LocalHost

    host: Host = context.obj or LocalHost()
    return host


def print_report(report: "Report", *, as_json: bool) -> None:
    """Prints what a run ends with."""
    from parity.report import report_json, terminal_table

    if as_json:
        emit(report_json(report))
    else:
        emit(terminal_table(report, columns()))
