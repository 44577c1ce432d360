"""`parity score`"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parity.cli.common import AsJson, Full, InconclusiveOk, RunPath, exit_with, print_report, say
from parity.cli.machines import Github, Junit, tell_programs

if TYPE_CHECKING:
    from parity.records import Report
    from parity.run.log import RunFolder


def score(
    run: RunPath,
    page: Annotated[
        Path | None,
        typer.Option(
            "--page", metavar="FILE", help="the file of the project page; by default page.md in the run folder"
        ),
    ] = None,
    gates: Annotated[
        Path | None,
        typer.Option(
            "--gates", metavar="FILE", help="judge by the [[gates]] of a TOML file instead; the run's reports stay"
        ),
    ] = None,
    inconclusive_ok: InconclusiveOk = False,
    junit: Junit = None,
    github: Github = None,
    full: Full = False,
    as_json: AsJson = False,
) -> None:
    """Compute a run's figures and verdicts again from its transcripts, and rewrite its reports. Exits like `run`.

    Writes inside the run folder, and to each FILE. With --gates it leaves the folder alone, and the report says that
    these gates were chosen after the run.
    """
    from parity.run.log import RunFolder
    from parity.run.score import score as rescore

    if gates is not None and page is not None:
        raise typer.BadParameter("the project page is of the run's own gates", param_hint="--page")
    folder = RunFolder.open(run)
    report = rescore(folder, gates)
    if gates is None:
        _keep(report, folder, page)
    print_report(report, as_json=as_json, full=full)
    tell_programs(report, junit, github, inconclusive_ok=inconclusive_ok)
    raise exit_with(report, inconclusive_ok=inconclusive_ok)


def _keep(report: "Report", folder: "RunFolder", page: Path | None) -> None:
    """Writes the reports. They are derived, and no verdict is lost with them."""
    from parity.errors import RunFolderError
    from parity.run.reports import write_reports

    try:
        with folder.held():
            write_reports(report, folder, say, page)
    except RunFolderError as error:
        say(f"warning: the reports were not written: {error}")
    except OSError as error:
        say(f"warning: the reports were not written: {error.filename or folder.path}: {error.strerror}")
