"""`parity import`"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parity.cli.common import AsJson, columns, emit, emit_json, run_named, say

if TYPE_CHECKING:
    from parity.records.witness import Witnesses

MOST_BYTES = 64 << 20

app = typer.Typer(help="Read what other benchmarks wrote.", no_args_is_help=True)


@app.callback()
def _import() -> None:
    """Read what other benchmarks wrote."""


@app.command("llama-bench")
def llama_bench(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="what `llama-bench -o json` or `-o jsonl` wrote")
    ],
    beside: Annotated[
        Path | None,
        typer.Option(
            "--beside",
            metavar="RUN",
            help="show the speeds of a run folder below, without a ratio",
            callback=run_named,
        ),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(
            "--into",
            metavar="RUN",
            help="keep the figures in a run folder, whose reports and comparisons show them from then on",
            callback=run_named,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the figures of llama-bench as witnesses. Without --into, it changes nothing.

    Their definitions are their own. A figure is compared with another one of the same definition alone, and never with
    what parity measured. No gate reads it.
    """
    from parity.reading.llama_bench import read_llama_bench
    from parity.report import terminal_witnesses
    from parity.run.log import RunFolder
    from parity.run.score import score

    if beside is not None and (as_json or into is not None):
        raise typer.BadParameter("goes with neither --json nor --into", param_hint="--beside")
    texts = [(str(file), _text(file)) for file in files]
    found = read_llama_bench(texts) if into is None else _kept(into, texts)
    if as_json:
        emit_json(found.model_dump_json(indent=2))
        return
    emit(terminal_witnesses(found, None if beside is None else score(RunFolder.open(beside)), columns()))


def _kept(run: Path, texts: list[tuple[str, str]]) -> "Witnesses":
    """All that a run has once these are kept in it; its reports are written anew."""
    from parity.run.log import RunFolder
    from parity.run.reports import write_reports
    from parity.run.score import score
    from parity.run.witnesses import add_witnesses

    folder = RunFolder.open(run)
    with folder.held():
        found = add_witnesses(folder, texts)
        write_reports(score(folder), folder, say, None)
    say(f"kept in: {run}")
    return found


def _text(file: Path) -> str:
    from parity.errors import ParityError

    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise ParityError(f"{file}: can't be read ({error.strerror}); name a file that llama-bench wrote") from error
    if len(data) > MOST_BYTES:
        raise ParityError(f"{file}: is longer than {MOST_BYTES >> 20} MiB; split it by lines (`llama-bench -o jsonl`)")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParityError(f"{file}: is not UTF-8 text; write it with `llama-bench -o json`") from error
