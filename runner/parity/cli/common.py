"""What several commands share: their arguments, reading a config, and printing a result."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parity.cli import completing

if TYPE_CHECKING:
    from parity.config import Choices, LoadedConfig
    from parity.hosts.host import Host
    from parity.records import Exit, Report
    from parity.run.log import RunFolder
    from parity.run.record import RunRecord

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="a TOML config, such as configs/quickstart.toml")]


def run_named(context: typer.Context, path: Path | None) -> Path | None:
    """The run folder that an argument names: itself, or for `latest` and `latest~N` one under `.parity/runs`, and for
    `DIR/latest` one under DIR, which is told. A folder of that name is meant itself."""
    if path is None or not path.name.startswith("latest"):
        return path
    from parity.cache import cache_folder
    from parity.run.folders import runs_folder
    from parity.run.history import latest

    if context.resilient_parsing or path.exists():
        return path
    using_caches(context)
    found = latest(path.name, runs_folder() if path.parent == Path() else path.parent, cache_folder())
    if found is None:
        return path
    say(f"{path}: {found}")
    return found


RunPath = Annotated[
    Path,
    typer.Argument(
        metavar="RUN",
        help="a run folder; `latest` is the one under .parity/runs that began last, `latest~1` the one before",
        callback=run_named,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON for a program to read")]

InconclusiveOk = Annotated[
    bool,
    typer.Option("--inconclusive-ok", help="exit with 0 instead of 3 if nothing is worse than INCONCLUSIVE"),
]

Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="RUNTIME",
        help="run this runtime alone; can be given several times",
        autocompletion=completing.runtimes,
    ),
]
Tests = Annotated[
    list[str] | None,
    typer.Option(
        "--test",
        "-k",
        metavar="PATTERN",
        help="run the tests with this in their names; can be given several times",
        autocompletion=completing.tests,
    ),
]
Rounds = Annotated[
    int | None, typer.Option("--rounds", metavar="N", min=1, max=1000, help="run exactly N measured rounds")
]
Quick = Annotated[
    bool, typer.Option("--quick", help="run one measured round and no warm-up: too little for a verdict on a speed")
]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="set a key of the config, as in rounds.max=10; can be given several times",
    ),
]

Full = Annotated[bool, typer.Option("--full", help="print the whole report, not only its end")]
TimeLimit = Annotated[
    float | None,
    typer.Option(
        "--time-limit", metavar="SECONDS", min=0.001, help="start no new round after the trials have taken so long"
    ),
]

PLAIN_COLUMNS = 80


def emit(text: str) -> None:
    """Prints a result in plain lines, in which nothing acts on the terminal."""
    from parity.visible import printable_lines

    emit_styled(printable_lines(text))


def emit_json(text: str) -> None:
    """Prints a result for a program to read."""
    from parity.visible import json_lines

    emit_styled(json_lines(text))


def emit_styled(text: str) -> None:
    """Prints a result whose escapes are parity's own. Whoever closes the pipe early has seen enough: the exit code
    stays the run's."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Prints what is no result, such as where the run is, on standard error."""
    from parity.visible import printable_lines

    print(printable_lines(text), file=sys.stderr, flush=True)


def columns() -> int:
    """How wide the lines of a result may be."""
    import shutil

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else PLAIN_COLUMNS


def choices_of(
    only: list[str] | None,
    tests: list[str] | None,
    rounds: int | None,
    changes: list[str] | None,
    *,
    quick: bool,
    time_limit_s: float | None = None,
) -> "Choices":
    """What the options choose of a config and change in it. A name of a runtime holds no comma."""
    from parity.config import Choices

    names = (name.strip() for each in only or () for name in each.split(","))
    return Choices(
        only=tuple(dict.fromkeys(names)),
        tests=tuple(tests or ()),
        rounds=rounds,
        quick=quick,
        time_limit_s=time_limit_s,
        changes=tuple(changes or ()),
    )


def load(
    path: Path,
    texts: Mapping[str, str] | None = None,
    choices: "Choices | None" = None,
    text: str | None = None,
) -> "LoadedConfig":
    """A config with the adapters that are installed here. `texts`, `choices`, `text`: see `load_config`."""
    from parity.config import Choices, load_config
    from parity.registry import prompt_as, settings_of
    from parity.run.keeping import learn_secrets

    loaded = load_config(path, settings_of, prompt_as=prompt_as, texts=texts, choices=choices or Choices(), text=text)
    learn_secrets(loaded)
    return loaded


def recorded_run(path: Path) -> "tuple[RunFolder, RunRecord, Choices]":
    """A run folder, its record, and the options that the run was given.

    Raises:
        RunFolderError: there is no such run, or an option of it held a secret.
    """
    from parity.run.log import RunFolder
    from parity.run.resume import recorded_choices

    folder = RunFolder.open(path)
    run = folder.read_run()
    return folder, run, recorded_choices(folder, run)


def unchanged_config(folder: "RunFolder", run: "RunRecord", choices: "Choices", doing: str) -> "LoadedConfig":
    """The config of a recorded run as its file is now. `doing`: what is refused if it has changed.

    Raises:
        ConfigError: it is not valid any more.
        RunFolderError: it is not that of the run.
    """
    from parity.run.resume import check_config, recorded_texts

    loaded = load(Path(run.loaded.file), recorded_texts(run), choices)
    check_config(folder, run, loaded, doing)
    return loaded


def folder_of_runs(named: Path | None, argument: str) -> Path:
    """The folder that holds run folders: the one that an argument names, or the one that parity makes."""
    from parity.run.folders import runs_folder

    where = named if named is not None else runs_folder()
    if named is not None and not named.is_dir():
        raise typer.BadParameter(f"{named} is not a folder", param_hint=argument)
    if (where / "run.json").is_file():
        raise typer.BadParameter(f"{where} is a run; name the folder that holds it", param_hint=argument)
    return where


def host_of(context: typer.Context) -> "Host":
    """The machine that the command works on: this one, unless the caller of the program brought a different one."""
    from parity.hosts.local import LocalHost

    host: Host = context.obj or LocalHost()
    return host


def using_caches(context: typer.Context) -> None:
    """Keeps `parity clean` from removing anything of the cache until the command ends."""
    from parity.cache import cache_folder, in_use

    context.with_resource(in_use(cache_folder()))


def coloured() -> bool:
    """Whether standard output is a terminal whose user has nothing against colours (https://no-color.org)."""
    import os

    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def print_report(report: "Report", *, as_json: bool, full: bool = False) -> None:
    """Prints what a run ends with. JSON is for a program, so that a person gets the verdict on standard error."""
    from parity.report import report_json, terminal_brief, terminal_table

    if as_json:
        emit_json(report_json(report))
        say(f"parity: exit code {report.exit.code}: {report.exit.reason}")
    elif full:
        emit(terminal_table(report, columns()))
    else:
        emit_styled(terminal_brief(report, columns(), colour=coloured()))


def code_of(report: "Report", *, inconclusive_ok: bool) -> "Exit":
    """The exit code of the command, with its reason."""
    from parity.judging.exit import passing

    return passing(report) if inconclusive_ok else report.exit


def exit_with(report: "Report", *, inconclusive_ok: bool) -> typer.Exit:
    """How the command ends, told where an option makes it a different end than the report's."""
    found = code_of(report, inconclusive_ok=inconclusive_ok)
    if found != report.exit:
        say(f"parity: exit code {found.code}: {found.reason}")
    return typer.Exit(found.code)
