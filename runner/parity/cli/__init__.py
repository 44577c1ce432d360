"""The command line: assembles the other modules, and imports each only when its command is called.

Results go to standard output, progress and complaints to standard error. Exit codes: see `parity run --help`.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from parity.config import LoadedConfig
    from parity.records import Report

app = typer.Typer(
    help="Measure LLM runtimes the same way and judge them against a baseline.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
adapter_app = typer.Typer(help="Adapters that are installed here.", no_args_is_help=True)
app.add_typer(adapter_app, name="adapter")

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="a TOML config, such as configs/quickstart.toml")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="a run folder, such as .parity/runs/…")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON for a program to read")]


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", help="print the version and stop")] = False,
) -> None:
    if version:
        from parity.version import version as own

        _emit(f"parity {own()}")
        raise typer.Exit


@app.command()
def run(
    config: ConfigPath,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="a new run folder; under .parity/runs unless named"),
    ] = None,
    as_json: AsJson = False,
    force: Annotated[
        bool, typer.Option("--force", help="run although what the config requires has not passed")
    ] = False,
) -> None:
    """Run a config and judge it.

    \b
    Exit codes:
      0    every required gate passed
      1    a required gate failed
      2    usage or config error
      3    something required is inconclusive or not comparable
      4    something required did not run
      5    nothing ran
      130  interrupted
    """
    from parity.run.authorise import NotAuthorisedError, authorise
    from parity.run.log import RunFolder
    from parity.run.loop import execute, resolve_models
    from parity.run.progress import showing
    from parity.run.schedule import make_plan

    loaded = _load(config)
    authorised_by, forced = None, False
    try:
        authorised_by = authorise(loaded, _load)
    except NotAuthorisedError as error:
        if not force:
            raise
        print(f"parity: forced: {error}", file=sys.stderr)
        forced = True

    with showing(len(make_plan(loaded.config, loaded.not_set))) as progress:
        models = resolve_models(loaded, progress)
        folder = RunFolder.create(out, loaded.config.name)
        progress.note(f"run: {folder.path}")
        report = execute(loaded, models, folder, progress, authorised_by=authorised_by, forced=forced)
    _print_report(report, as_json=as_json)
    print(f"run: {folder.path}", file=sys.stderr)
    raise typer.Exit(report.exit.code)


@app.command()
def plan(config: ConfigPath, as_json: AsJson = False) -> None:
    """Show what a run would do, in which order, and how long it may take. Runs and fetches nothing."""
    from parity.run.outlook import outlook, render

    found = outlook(_load(config))
    _emit(found.model_dump_json(indent=2) if as_json else render(found))


@app.command()
def doctor(
    config: Annotated[
        Path | None, typer.Argument(metavar="CONFIG", help="its runtimes; every adapter unless given")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say which runtimes can be used here, and how to get those that can't. Exits with 4 when one is not ready."""
    from parity.run.doctor import examine, render

    checkups = list(examine(_load(config) if config is not None else None))
    if as_json:
        _emit("[" + ",\n".join(c.model_dump_json() for c in checkups) + "]")
    else:
        _emit(render(checkups))
    if any(c.status in ("not ready", "broken") for c in checkups):
        raise typer.Exit(4)


@app.command()
def score(run: RunPath, as_json: AsJson = False) -> None:
    """Compute a run's numbers and verdicts again from its transcripts, and rewrite its reports. Exits as `run` does."""
    from parity.judging.score import score as rescore
    from parity.run.log import RunFolder
    from parity.run.loop import write_reports
    from parity.run.progress import PlainProgress

    folder = RunFolder.open(run)
    report = rescore(folder)
    write_reports(report, folder, PlainProgress())
    _print_report(report, as_json=as_json)
    raise typer.Exit(report.exit.code)


@app.command()
def report(
    run: RunPath,
    format: Annotated[str, typer.Option("--format", help="table, markdown, page or json")] = "table",
) -> None:
    """Print a run's report in a format; changes nothing."""
    from parity.judging.score import score as rescore
    from parity.report import FORMATS
    from parity.run.log import RunFolder

    if format not in FORMATS:
        raise typer.BadParameter(f"{format!r} is none of {', '.join(FORMATS)}", param_hint="--format")
    _emit(FORMATS[format](rescore(RunFolder.open(run))))


@app.command()
def synth(
    preset: Annotated[
        str, typer.Argument(help="qwen3-0.6b, qwen3-1.7b, llama-135m, tiny-qwen3, tiny-llama, tiny-phi3")
    ],
    quant: Annotated[str, typer.Option("--quant", help="F32, F16, Q8_0, Q4_0 or Q4_K_M")] = "Q8_0",
    seed: Annotated[int, typer.Option("--seed", help="another seed, other weights")] = 0,
    install_as: Annotated[
        str | None,
        typer.Option(
            "--install-as",
            metavar="ORG/REPO",
            help="also put it into a Hugging Face cache folder, under the name of that repository; reports show that "
            "its weights are synthetic",
        ),
    ] = None,
    hf_home: Annotated[
        Path | None, typer.Option("--hf-home", help="that folder; HF_HOME or ~/.cache/huggingface unless named")
    ] = None,
) -> None:
    """Make a model of true shape with synthetic weights, and print where it lies.

    In a config it is named synth://PRESET/QUANT@SEED. Its speed is the real model's; its text is not.
    """
    from parity.cache import user_hf_home
    from parity.run.progress import showing
    from parity_synth import check_install, parse_synthetic
    from parity_synth import install_as as install

    model = parse_synthetic(f"{preset}/{quant}@{seed}")
    home = hf_home or user_hf_home()
    if install_as:
        check_install(model.preset, install_as, home)
    with showing(0) as progress:
        path = model.fetch(progress.fetched)
        installed = install(path, install_as, home, progress=progress.fetched) if install_as else ()
    for line in (path, *installed):
        _emit(str(line))


@adapter_app.command("list")
def list_adapters() -> None:
    """List the adapters that are installed here, with the package that brings each."""
    from tabulate import tabulate

    from parity.registry import entries

    rows = [(entry.name, entry.package, entry.broken or "ok") for entry in entries()]
    _emit(tabulate(rows, headers=("Adapter", "Package", "State"), tablefmt="simple", disable_numparse=True))


@app.command()
def schema(
    what: Annotated[str, typer.Argument(metavar="NAME", help="config, events, report, results or run")] = "config",
) -> None:
    """Print the JSON Schema of a config, of the event protocol, or of a run's files."""
    from parity.cli.schemas import schema_of

    _emit(schema_of(what))


def _emit(text: str) -> None:
    """Prints a result. Whoever closes the pipe early has seen enough: the exit code stays the run's."""
    try:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _load(path: Path) -> "LoadedConfig":
    from parity.config import load_config
    from parity.registry import prompt_as, settings_of

    return load_config(path, settings_of, prompt_as=prompt_as)


def _print_report(report: "Report", *, as_json: bool) -> None:
    from parity.report import render_table, report_json

    if as_json:
        _emit(report_json(report))
    else:
        import shutil

        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 80
        _emit(render_table(report, width=width, style="terminal"))
