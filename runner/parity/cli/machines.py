"""What `run`, `score` and `report` tell programs besides their result: JUnit XML, and what GitHub Actions shows."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parity.cli.common import code_of, say
from parity.outlet import command

if TYPE_CHECKING:
    from parity.records import Exit, Report

Junit = Annotated[
    Path | None,
    typer.Option("--junit", metavar="FILE", help="also write the verdicts to FILE as JUnit XML, a test case for each"),
]
Github = Annotated[
    bool | None,
    typer.Option(
        "--github/--no-github",
        help="write annotations and the summary of the step for GitHub Actions; by default in a job of it",
    ),
]


def tell_programs(report: "Report", junit: Path | None, github: bool | None, *, inconclusive_ok: bool) -> None:
    """Writes what was asked for at the end of `run` and `score`. A file that can't be written is told of, and costs no
    verdict. `github`: as the option has it, None without one."""
    exit = code_of(report, inconclusive_ok=inconclusive_ok)
    if junit is not None:
        try:
            write_junit(report, exit, junit)
        except OSError as error:
            say(f"warning: --junit: {junit} can't be written ({error.strerror})")
        except Exception as error:
            say(f"warning: --junit: {junit} was not written, by a bug in parity ({type(error).__name__}: {error})")
    if os.environ.get("GITHUB_ACTIONS") == "true" if github is None else github:
        try:
            tell_github(report, exit)
        except Exception as error:
            say(f"warning: GitHub was not told, by a bug in parity ({type(error).__name__}: {error})")


def write_junit(report: "Report", exit: "Exit", path: Path) -> None:
    """Writes the JUnit XML.

    Raises:
        OSError: it can't be written.
    """
    from parity.report import render_junit
    from parity.run.reports import write_masked

    write_masked(path, render_junit(report, exit))
    say(f"junit: {path}")


def tell_github(report: "Report", exit: "Exit") -> None:
    """Prints annotations on standard error, and adds to the summary of the step where there is one."""
    from parity.report import annotations, step_summary
    from parity.run.reports import append_masked

    for line in annotations(report, exit):
        command(line)
    named = os.environ.get("GITHUB_STEP_SUMMARY")
    if not named:
        return
    try:
        append_masked(Path(named), step_summary(report, exit))
    except OSError as error:
        say(f"warning: GITHUB_STEP_SUMMARY: {named} can't be written ({error.strerror})")
