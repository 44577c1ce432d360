"""`parity history`"""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parity.cli.common import AsJson, columns, emit, emit_json, folder_of_runs, say, using_caches

if TYPE_CHECKING:
    from parity.run.history import History, Wanted

SHOWN = 30
"""Runs that the table shows without --limit."""

MOST_WRONG = 5
"""Folders that are named because they can't be read."""


def history(
    context: typer.Context,
    runs: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="the folder that holds run folders; by default .parity/runs"),
    ] = None,
    verdict: Annotated[
        list[str] | None,
        typer.Option("--verdict", metavar="WORD", help="runs that came to this, such as Failed; may be given again"),
    ] = None,
    config: Annotated[
        str | None, typer.Option("--config", metavar="NAME", help="runs of this config; * stands for any characters")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="DATE", help="runs that began then or later: 2031-01-30 (UTC), or 7d"),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", metavar="N", min=1, help=f"the newest N; by default {SHOWN}, with --json or --trend all"
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option("--trend", metavar="METRIC", help="show the ratios of a metric, such as gen_tps, over these runs"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="with --trend: draw it, as HTML into FILE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the runs in a folder, the newest first. Writes FILE, an index into the cache folder, and nothing else.

    RUN may be `latest`, or `latest~1` for the one before, in all commands that take a run.
    """
    from parity.cache import cache_folder
    from parity.run.history import History, Wanted
    from parity.run.history import history as found_in

    where = folder_of_runs(runs, "DIR")
    wanted = Wanted(
        words=tuple(_word(word) for word in verdict or ()),
        config=config,
        since=None if since is None else _instant(since),
        limit=limit if limit is not None or as_json or metric is not None else SHOWN,
    )
    if out is not None and (metric is None or as_json):
        raise typer.BadParameter("goes with --trend, and without --json", param_hint="--out")
    using_caches(context)
    if metric is not None:
        _show_trend(where, wanted, _metric(metric), out, as_json=as_json)
        return
    found = found_in(where, cache_folder(), wanted) if where.is_dir() else History((), 0, {})
    if as_json:
        emit_json(json.dumps(asdict(found), indent=2))
    else:
        emit(_shown(found, where, filtered=bool(verdict or config or since)))


def _show_trend(runs: Path, wanted: "Wanted", metric: str, out: Path | None, *, as_json: bool) -> None:
    from parity.cache import cache_folder
    from parity.report import render_trend, terminal_trend
    from parity.run.reports import write_masked
    from parity.run.trends import trend

    if not runs.is_dir():
        raise typer.BadParameter(f"there is no folder {runs}", param_hint="DIR")
    found = trend(runs, cache_folder(), wanted, metric)
    if as_json:
        emit_json(json.dumps(asdict(found), indent=2))
    elif out is not None:
        write_masked(out, render_trend(found))
        say(f"trend: {out}")
    else:
        emit(terminal_trend(found, columns()))


def _metric(said: str) -> str:
    from parity.errors import unknown_names
    from parity.reading.dictionary import METRICS

    for problem in unknown_names("--trend", [said], list(METRICS)):
        raise typer.BadParameter(f"{problem.wrong}; {problem.remedy}", param_hint="--trend")
    return said


def _word(said: str) -> str:
    from parity.run.history import ALL_WORDS

    known = {word.lower(): word for word in ALL_WORDS}
    if said.lower() not in known:
        raise typer.BadParameter(f"{said!r} is none of {', '.join(ALL_WORDS)}", param_hint="--verdict")
    return known[said.lower()]


def _instant(said: str) -> str:
    """In the form in which runs record when they began."""
    try:
        if said.endswith("d"):
            then = datetime.now(UTC) - timedelta(days=float(said[:-1]))
        else:
            then = datetime.fromisoformat(said)
            then = then.replace(tzinfo=UTC) if then.tzinfo is None else then.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        wrong = f"{said!r} is neither a date such as 2031-01-30 nor a number of days such as 7d"
        raise typer.BadParameter(wrong, param_hint="--since") from error
    return then.isoformat(timespec="seconds").replace("+00:00", "Z")


def _shown(found: "History", runs: Path, *, filtered: bool) -> str:
    from tabulate import tabulate

    from parity.units import format_instant, plural

    parts = []
    if found.runs:
        columns = {
            "Began (UTC)": [format_instant(run.started) for run in found.runs],
            "Config": [run.config for run in found.runs],
            "Verdict": [run.word for run in found.runs],
            "Baseline": [run.baseline for run in found.runs],
            "Machine": [run.machine for run in found.runs],
            "Folder": [run.folder for run in found.runs],
        }
        # What all of them share is said once.
        shared = [name for name in ("Baseline", "Machine") if len(set(columns[name])) == 1]
        said = [f"{name.lower()} {columns[name][0]}" for name in shared]
        parts.append(", ".join((f"Runs in {runs}", *said)))
        rows = {name: cells for name, cells in columns.items() if name not in shared}
        parts.append(tabulate(rows, headers="keys", tablefmt="simple", disable_numparse=True))
    else:
        parts.append(f"No run in {runs}{' matches' if filtered else ''}.")
    if found.more:
        parts.append(
            f"{plural(found.more, 'earlier run')} left out: choose with --limit, --since, --config or --verdict."
        )
    if found.wrong:
        names = [f"  {name}: {why}" for name, why in list(found.wrong.items())[:MOST_WRONG]]
        if more := len(found.wrong) - MOST_WRONG:
            names += [f"  and {more} more"] if more > 0 else []
        parts.append("\n".join(("Not listed, because they can't be read:", *names)))
    return "\n\n".join(parts)
