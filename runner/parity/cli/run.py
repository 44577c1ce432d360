"""`parity run`"""

import os
import shlex
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parity.cli.common import (
    AsJson,
    Changes,
    Full,
    InconclusiveOk,
    Only,
    Quick,
    Rounds,
    Tests,
    TimeLimit,
    choices_of,
    exit_with,
    host_of,
    load,
    print_report,
    recorded_run,
    run_named,
    say,
    unchanged_config,
    using_caches,
)
from parity.cli.drafting import draft_for, names_model, repeats, sweep_of
from parity.cli.machines import Github, Junit, tell_programs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from parity.config import Choices, LoadedConfig
    from parity.hosts.host import Host
    from parity.records import Report
    from parity.run.log import RunFolder

OFFLINE = {"HF_HUB_OFFLINE": "1", "CARGO_NET_OFFLINE": "true"}
"""What forbids Hugging Face's libraries and Cargo the network."""


def run(
    context: typer.Context,
    config: Annotated[
        str | None,
        typer.Argument(
            metavar="CONFIG|MODEL",
            help="a TOML config, or a model for every runtime that is ready here: a GGUF file, hf://… or synth://…",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="the run folder to create; by default a new one under .parity/runs"),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume", metavar="RUN", help="continue a run that was interrupted or killed", callback=run_named
        ),
    ] = None,
    only: Only = None,
    tests: Tests = None,
    rounds: Rounds = None,
    quick: Quick = False,
    changes: Changes = None,
    add_rounds: Annotated[
        int | None,
        typer.Option(
            "--add-rounds",
            metavar="N",
            min=1,
            max=500,
            help="add at most N rounds to a finished run, whose folder takes the place of CONFIG",
        ),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option(
            "--sweep", metavar="prompt=N,N,…", help="with a MODEL: a test for each length of prompt, in tokens"
        ),
    ] = None,
    time_limit: TimeLimit = None,
    offline: Annotated[bool, typer.Option("--offline", help="download nothing, and build from what is here")] = False,
    inconclusive_ok: InconclusiveOk = False,
    junit: Junit = None,
    github: Github = None,
    full: Full = False,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="show nothing until the run has ended")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="run even if the config that this one requires has not passed")
    ] = False,
) -> None:
    """Run a config or a model, print verdicts and a table, and exit with a code for CI.

    For a MODEL, parity writes a config into the run folder. It holds every runtime that is ready here, with the same
    threads and device where these can be set, and a short and a longer test.

    \b
    Exit codes:
      130  interrupted; `--resume` continues the run
      74   the run folder could not be written; what was measured is judged
      2    usage or config error
      5    nothing ran
      1    a required gate failed
      4    not everything ran that had to (a required trial, the baseline, a
           required gate; without gates, any trial), or no gate is required
      3    a required gate is inconclusive or not comparable
      0    every required gate passed; without gates, every trial succeeded

    If several codes apply, the topmost one in this list is used.
    """
    if (config is None) == (resume is None):
        raise typer.BadParameter(
            "give a CONFIG or a MODEL to run, or --resume RUN to continue a run", param_hint="CONFIG"
        )
    from parity.explain import worst_question
    from parity.run.lost import LogLostError

    choices = choices_of(only, tests, rounds, changes, quick=quick, time_limit_s=time_limit)
    lengths = sweep_of(sweep)
    is_model = add_rounds is None and config is not None and names_model(config)
    if lengths and not is_model:
        raise typer.BadParameter("goes with a MODEL; in a config, write a test for each", param_hint="--sweep")
    if (resume is not None or add_rounds is not None) and choices.shown:
        raise typer.BadParameter("the run keeps the options that it began with", param_hint=choices.shown[0])
    using_caches(context)
    if offline:
        os.environ |= OFFLINE
    host = host_of(context)
    if (resume is not None or add_rounds is not None) and out is not None:
        raise typer.BadParameter("the run continues in its own folder", param_hint="--out")
    if resume is not None:
        task = partial(_resumed, resume, host, quiet=quiet)
    elif add_rounds is not None:
        assert config is not None
        over = run_named(context, Path(config)) or Path(config)
        task = partial(_extended, over, add_rounds, host, quiet=quiet)
    else:
        assert config is not None
        loaded = _drafted(config, lengths, choices, host) if is_model else load(Path(config), choices=choices)
        task = partial(_new, loaded, out, host, force=force, written=not is_model, quiet=quiet)
    try:
        folder, report = task()
    except LogLostError as lost:
        say(f"parity: {lost.why}")
        folder, report = lost.folder, lost.report
    print_report(report, as_json=as_json, full=full)
    tell_programs(report, junit, github, inconclusive_ok=inconclusive_ok)
    if (folder.path / "run.json").exists():
        if report.interrupted:
            say(f"parity: interrupted; `parity run --resume {shlex.quote(str(folder.path))}` goes on")
        say(f"run: {folder.path}")
        if not full and not as_json:
            say(f"all of it: {shlex.join(['parity', 'report', str(folder.path)])}")
            say(f"in a browser: {shlex.join(['parity', 'report', str(folder.path), '--open'])}")
        if is_model:
            say(f"the same again: {repeats(folder.path, loaded.choices.shown)}")
        if (question := worst_question(report, str(folder.path))) is not None:
            say(f"why: {question}")
        if not report.interrupted:
            _pack(folder)
    raise exit_with(report, inconclusive_ok=inconclusive_ok)


def _pack(folder: "RunFolder") -> None:
    """Packs the transcripts of a run whose verdict is printed, which nothing here can change any more."""
    from parity.errors import RunFolderError
    from parity.transcript.packing import UNREADABLE

    with suppress(*UNREADABLE, KeyboardInterrupt, RunFolderError), folder.held():
        folder.pack()


def _drafted(model: str, lengths: "Sequence[int]", choices: "Choices", host: "Host") -> "LoadedConfig":
    """The config that parity writes for a model; it stands in no file yet."""
    from parity.config.draft import draft_text

    head = [f"Written by `parity run {model}`; `parity run` on this file does the same again."]
    draft = draft_for(host, model, head, lengths=lengths, wanted=choices.only, max_s=choices.time_limit_s)
    for runtime in draft.runtimes:
        if runtime.offered:
            say(
                f"to include {runtime.adapter}: --only {','.join((*(r.adapter for r in draft.ready), runtime.adapter))}"
            )
    choices = choices.but(time_limit_s=None)
    return load(Path.cwd() / f"{draft.name}.toml", choices=choices, text=draft_text(draft))


def _new(
    loaded: "LoadedConfig", out: Path | None, host: "Host", *, force: bool, written: bool, quiet: bool
) -> tuple["RunFolder", "Report"]:
    from parity.run.authorise import NotAuthorisedError, authorise
    from parity.run.loop import run_config

    authorised_by, forced = None, False
    try:
        authorised_by = authorise(loaded, load, host)
    except NotAuthorisedError as error:
        if not force:
            raise
        say(f"parity: forced: {error}")
        forced = True
    return run_config(loaded, out, host, authorised_by=authorised_by, forced=forced, written=written, quiet=quiet)


def _extended(path: Path, added: int, host: "Host", *, quiet: bool) -> tuple["RunFolder", "Report"]:
    from parity.run.adding import extended
    from parity.run.resume import recorded_texts, resume_run

    folder, recorded, choices = recorded_run(path)
    unchanged_config(folder, recorded, choices, "given more rounds")
    loaded = load(Path(recorded.loaded.file), recorded_texts(recorded), extended(folder, recorded, added))
    return folder, resume_run(loaded, folder, recorded.but(loaded=loaded), host, extended=True, quiet=quiet)


def _resumed(path: Path, host: "Host", *, quiet: bool) -> tuple["RunFolder", "Report"]:
    from parity.run.resume import resume_run

    folder, recorded, choices = recorded_run(path)
    loaded = unchanged_config(folder, recorded, choices, "resumed")
    return folder, resume_run(loaded, folder, recorded, host, quiet=quiet)
