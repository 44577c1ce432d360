"""`parity report`"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parity.cli.common import AsJson, RunPath, emit, emit_json, print_report, say
from parity.cli.machines import Junit, tell_github, write_junit

if TYPE_CHECKING:
    from parity.records import Report

ENDINGS = {".html": "html", ".htm": "html", ".md": "markdown", ".json": "json", ".csv": "csv"}
"""Ending of a file → the format that is written to it unless another one is asked for."""

PAGE = "report.html"


def report(
    run: RunPath,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="table, brief, markdown, page, html, json or csv; by default as FILE is named, or table",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="write the report to FILE instead of printing it")
    ] = None,
    open_page: Annotated[
        bool,
        typer.Option("--open", help=f"open the HTML report in a browser: FILE, or {PAGE} in the run folder, made anew"),
    ] = False,
    share: Annotated[
        bool, typer.Option("--share", help="leave out paths, and the names of the user and the machine")
    ] = False,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="print a line of CSV for each figure")] = False,
    junit: Junit = None,
    github: Annotated[
        bool, typer.Option("--github", help="also write annotations and the summary of the step for GitHub Actions")
    ] = False,
    get: Annotated[
        str | None,
        typer.Option(
            "--get",
            metavar="METRIC[@CELL]",
            help="print one number, such as gen_tps@RUNTIME, gen_tps.ratio@RUNTIME or gen_tps.ratio.low@RUNTIME",
        ),
    ] = None,
) -> None:
    """Print the report of a run, or write it to a file.

    Writes each FILE, and with --open the HTML report in the run folder; nothing else.
    """
    from parity.report import EXCERPTS, FORMATS
    from parity.run.log import RunFolder
    from parity.run.reports import write_masked
    from parity.run.score import score

    if get is not None:
        if format or out or open_page or share or as_json or as_csv or junit or github:
            raise typer.BadParameter("prints one number, and goes with no other option", param_hint="--get")
        _print_figure(score(RunFolder.open(run)), get)
        return
    if [format is not None, as_json, as_csv].count(True) > 1:
        raise typer.BadParameter("give one of --format, --json and --csv", param_hint="--format")
    format = "json" if as_json else "csv" if as_csv else format
    chosen = format or ("html" if open_page else ENDINGS.get(out.suffix.lower(), "table") if out else "table")
    known = EXCERPTS | FORMATS
    if chosen not in known:
        raise typer.BadParameter(f"{chosen!r} is none of {', '.join(known)}", param_hint="--format")
    if open_page and chosen != "html":
        raise typer.BadParameter(f"a browser opens the HTML report: leave out --format {chosen}", param_hint="--open")
    if open_page and share and out is None:
        raise typer.BadParameter("name the file to share with --out FILE", param_hint="--share")
    folder = RunFolder.open(run)
    found = score(folder)
    if share:
        found = _shareable(found)
    if junit is not None:
        write_junit(found, found.exit, junit)
    if github:
        tell_github(found, found.exit)
    if out is None and chosen in ("table", "brief"):
        print_report(found, as_json=False, full=chosen == "table")
        return
    shown = known[chosen](found)
    if open_page and out is None:
        with folder.held():
            out = folder.write(PAGE, shown)
    elif out is not None:
        write_masked(out, shown)
    if out is not None:
        say(f"report: {out}")
    elif chosen == "json":
        emit_json(shown)
    else:
        emit(shown)
    if open_page and out is not None:
        _open(out)


def _print_figure(found: "Report", asked: str) -> None:
    """Prints one number as a program reads it, and what must be known of it on standard error."""
    from parity.explain import cell_named
    from parity.report import figure_of

    def named(part: str, names: list[str]) -> str:
        model, test, runtime = cell_named(part, [(m, t, r) for m, t, r in (name.split("/") for name in names)])
        return f"{model}/{test}/{runtime}"

    figure = figure_of(found, asked, named)
    emit(repr(figure.value))
    if figure.remark is not None:
        say(f"{asked}: {figure.remark}")


def _shareable(found: "Report") -> "Report":
    """Without the names of who runs this command, and those that the report itself shows."""
    import getpass

    from parity.report.sharing import shareable

    try:
        users = [getpass.getuser()]
    except (OSError, KeyError):
        # A user id without a name, as in some containers.
        users = []
    return shareable(found, users, [str(Path.home())])


def _open(page: Path) -> None:
    import webbrowser

    if not webbrowser.open(page.resolve().as_uri()):
        say(f"no browser could be started; open {page.resolve()} in one")
