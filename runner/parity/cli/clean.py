"""`parity clean`"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parity.cli.common import AsJson, emit, emit_json, folder_of_runs

if TYPE_CHECKING:
    from parity.run.cleaning import Kept

INCOMPLETE = 74
"""EX_IOERR of sysexits.h: something that was chosen could not be removed."""


def clean(
    runs: Annotated[
        Path | None,
        typer.Argument(metavar="[RUNS]", help="the folder that holds run folders; by default .parity/runs"),
    ] = None,
    caches: Annotated[bool, typer.Option("--caches", help="choose all caches")] = False,
    cache: Annotated[
        list[str] | None, typer.Option("--cache", metavar="NAME", help="choose one cache; can be given several times")
    ] = None,
    older_than: Annotated[
        float | None,
        typer.Option("--runs-older-than", metavar="DAYS", min=0, help="choose runs that ended longer ago"),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="remove what is chosen; without it, nothing is removed")] = False,
    as_json: AsJson = False,
) -> None:
    """List what parity keeps on disk, with sizes and ages, and remove what you choose of it.

    Removes nothing without --yes, nothing that a running parity uses, and nothing outside the cache folder and RUNS.

    Exits with 74 if something that was chosen had to stay.
    """
    from parity.cache import cache_folder
    from parity.run.cleaning import CACHES, listed, remove

    for name in cache or ():
        if name not in CACHES:
            raise typer.BadParameter(f"there is no cache {name!r}; there are {', '.join(CACHES)}", param_hint="--cache")
    where = folder_of_runs(runs, "RUNS")
    chosen = list(CACHES) if caches else list(cache or ())
    found = listed(cache_folder(), where, caches=chosen, older_than_days=older_than)
    if yes:
        found = list(remove(found, cache_folder()))
    if as_json:
        emit_json("[" + ",\n".join(kept.model_dump_json() for kept in found) + "]")
    else:
        emit(_shown(found, cache_folder(), where, _asked(chosen, older_than), removed=yes))
    if any(kept.outcome not in (None, "removed") for kept in found):
        raise typer.Exit(INCOMPLETE)


def _asked(caches: list[str], older_than: float | None) -> list[str]:
    """What to say of each thing that was asked for where nothing of the kind is there."""
    from parity.units import noun_for

    why = []
    if caches:
        why.append(f"there is no cache {' or '.join(caches)}" if len(caches) < 3 else "there are no caches")
    if older_than is not None:
        why.append(f"no run ended more than {older_than:g} {noun_for(older_than, 'day')} ago")
    return why


def _shown(found: "list[Kept]", cache: Path, runs: Path, asked: list[str], *, removed: bool) -> str:
    from parity.run.cleaning import CACHES
    from parity.visible import printable_lines

    parts = [
        _table("Cache", f"Caches in {cache}", [(k, CACHES[k.name]) for k in found if k.kind == "cache"]),
        _table("Run", f"Runs in {runs}", [(k, "") for k in found if k.kind == "run"]),
    ]
    chosen = [kept for kept in found if kept.chosen]
    if not chosen and asked:
        parts.append(f"Nothing is chosen: {', and '.join(asked)}.")
    elif not chosen:
        parts.append("Nothing is chosen. Choose with --caches, --cache NAME or --runs-older-than DAYS.")
    elif removed:
        parts.append(f"Removed: {_sum([kept for kept in chosen if kept.outcome == 'removed'])}.")
    else:
        parts.append(f"Chosen: {_sum(chosen)}. Nothing was removed: add --yes to remove it.")
    return printable_lines("\n\n".join(parts))


def _table(what: str, heading: str, rows: "list[tuple[Kept, str]]") -> str:
    from tabulate import tabulate

    if not rows:
        return f"{heading}: none"
    cells = [
        (
            kept.name,
            _size(kept.size_bytes),
            _age(kept.age_s),
            kept.outcome or ("chosen" if kept.chosen else ""),
            content,
        )
        for kept, content in rows
    ]
    headers = (what, "Size", "Age", "", "" if what == "Run" else "Content")
    return f"{heading}\n\n{tabulate(cells, headers=headers, tablefmt='simple', disable_numparse=True)}"


def _sum(kept: "list[Kept]") -> str:
    return f"{len(kept)} of these, {_size(sum(one.size_bytes for one in kept))}"


def _size(count: int) -> str:
    from parity.units import format_value

    return format_value(count, "bytes")


def _age(seconds: float) -> str:
    from parity.units import plural

    for name, length in (("day", 24 * 3600), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return plural(count, name)
    return "now"
