"""What every command of `parity` says about itself, as data for the page that lists them all."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperGroup

from parity.cli import app

VERBATIM = "\b"
"""Stands before a paragraph of a command's help that keeps its lines."""


@dataclass(frozen=True)
class Shown:
    """One command. `help`: its paragraphs, each with whether it keeps its lines; `rows`: arguments and options with
    what they mean."""

    name: str
    usage: str
    help: tuple[tuple[str, bool], ...]
    rows: tuple[tuple[str, str], ...]


def shown_commands() -> Iterator[Shown]:
    """All commands in the order of `parity --help`; of a group its commands alone."""
    yield from _below(typer.main.get_command(app), typer.Context(typer.main.get_command(app), info_name="parity"))


def _below(group: Any, context: typer.Context) -> Iterator[Shown]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        inner = typer.Context(command, info_name=name, parent=context)
        if isinstance(command, TyperGroup):
            yield from _below(command, inner)
        else:
            yield _shown(command, inner)


def _shown(command: Any, context: typer.Context) -> Shown:
    records = [record for param in command.get_params(context) if (record := param.get_help_record(context))]
    return Shown(
        name=context.command_path,
        usage=" ".join([context.command_path, *command.collect_usage_pieces(context)]),
        help=tuple(_paragraphs(command.help or "")),
        # Typer puts the type of an argument behind its name.
        rows=tuple((name.split(" <")[0], " ".join(text.split())) for name, text in records if name != "--help"),
    )


def _paragraphs(text: str) -> Iterator[tuple[str, bool]]:
    for part in text.split("\n\n"):
        if part.startswith(VERBATIM):
            yield part.removeprefix(VERBATIM).strip("\n"), True
        else:
            yield " ".join(part.split()), False
