"""`parity compare`"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parity.cli.common import AsJson, columns, emit, emit_json, run_named, say

if TYPE_CHECKING:
    from parity.judging.past import PastRun


def compare(
    first: Annotated[
        Path, typer.Argument(metavar="FIRST", help="a run folder, or latest~1", callback=run_named, show_default=False)
    ],
    second: Annotated[
        Path, typer.Argument(metavar="SECOND", help="the run folder to compare with it, or latest", callback=run_named)
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="write the comparison as HTML with plots")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two runs: the runtimes, tests and models that both have. Writes FILE and nothing else.

    Values get a ratio if both runs are of one machine. Ratios to each run's own baseline are compared on any machine.
    Runs that did not run the same, such as other weights or threads, are not compared, with the reason. What a runtime
    answered is compared with what it answered in the first run, token by token.

    Exits with 0, whatever it finds: gates judge one run.
    """
    from dataclasses import asdict

    from parity.judging.across import across
    from parity.report import render_across, terminal_across
    from parity.run.reports import write_masked

    if out is not None and as_json:
        raise typer.BadParameter("goes without --json", param_hint="--out")
    one, two = _past(first), _past(second)
    found = across(one, two)
    if as_json:
        told = {"first": one.report.run, "second": two.report.run, **asdict(found)}
        emit_json(json.dumps(told, indent=2, default=lambda record: record.model_dump(mode="json")))
    elif out is not None:
        write_masked(out, render_across(found, one, two))
        say(f"comparison: {out}")
    else:
        emit(terminal_across(found, one.report, two.report, columns()))


def _past(path: Path) -> "PastRun":
    from parity.judging.intent import intent_of
    from parity.judging.past import PastRun
    from parity.run.log import RunFolder
    from parity.run.score import score

    folder = RunFolder.open(path)
    loaded = folder.read_run().loaded
    return PastRun(score(folder), loaded.config.rounds.looks, intent_of(loaded))
