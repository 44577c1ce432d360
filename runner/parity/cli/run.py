"""`parity run`"""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parity.cli.common import AsJson, host_of, load, print_report

if TYPE_CHECKING:
    from parity.config import LoadedConfig
    from parity.hosts.host import Host
    from parity.records import Report
    from parity.run.log import RunFolder


def run(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Argument(metavar="CONFIG", help="a TOML config, such as configs/quickstart.toml")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="the run folder to create; by default a new one under .parity/runs"),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", metavar="RUN", help="continue a run that was interrupted or killed"),
    ] = None,
    as_json: AsJson = False,
    force: Annotated[
        bool, typer.Option("--force", help="run even if the config that this one requires has not passed")
    ] = False,
) -> None:
    """Run every trial of a config, print the report, and exit with the verdict.

    \b
    Exit codes:
      130  interrupted; `--resume` continues the run
      2    usage or config error
      5    nothing ran
      1    a required gate failed
      4    a required trial failed, a required gate was not run, or there is none
      3    a required gate is inconclusive or not comparable
      0    every required gate passed

    If several codes apply, the topmost one in this list is used.
    """
    if (config is None) == (resume is None):
        raise typer.BadParameter("give a CONFIG to run, or --resume RUN to continue a run", param_hint="CONFIG")
    from parity.explain import worst_question

    host = host_of(context)
    if resume is not None:
        if out is not None:
            raise typer.BadParameter("a resumed run continues in its own folder", param_hint="--out")
        folder, report = _resumed(resume, host)
    else:
        assert config is not None
        folder, report = _new(load(config), out, host, force=force)
    print_report(report, as_json=as_json)
    if report.interrupted:
        print(f"parity: interrupted; `parity run --resume {shlex.quote(str(folder.path))}` goes on", file=sys.stderr)
    print(f"run: {folder.path}", file=sys.stderr)
    if (question := worst_question(report, str(folder.path))) is not None:
        print(f"why: {question}", file=sys.stderr)
    raise typer.Exit(report.exit.code)


def _new(loaded: "LoadedConfig", out: Path | None, host: "Host", *, force: bool) -> tuple["RunFolder", "Report"]:
    from parity.run.authorise import NotAuthorisedError, authorise
    from parity.run.loop import run_config

    authorised_by, forced = None, False
    try:
        authorised_by = authorise(loaded, load, host)
    except NotAuthorisedError as error:
        if not force:
            raise
        print(f"parity: forced: {error}", file=sys.stderr)
        forced = True
    return run_config(loaded, out, host, authorised_by=authorised_by, forced=forced)


def _resumed(path: Path, host: "Host") -> tuple["RunFolder", "Report"]:
    from parity.run.log import RunFolder
    from parity.run.resume import check_config, recorded_texts, resume_run

    folder = RunFolder.open(path)
    recorded = folder.read_run()
    loaded = load(Path(recorded.loaded.file), recorded_texts(recorded))
    check_config(folder, recorded, loaded)
    return folder, resume_run(loaded, folder, recorded, host)
