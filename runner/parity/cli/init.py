"""`parity init`"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from parity.cli.common import emit, host_of, using_caches
from parity.cli.drafting import draft_for

PLACEHOLDER = "synth://tiny-llama/Q8_0@0"


def init(
    context: typer.Context,
    model: Annotated[
        str | None,
        typer.Argument(metavar="MODEL", help="a GGUF file, a model folder, hf://… or synth://…; by default a tiny one"),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="the config to write")] = Path("parity.toml"),
) -> None:
    """Write a commented config for the runtimes that are ready on this machine. Overwrites nothing."""
    from parity.config.draft import draft_text
    from parity.run.candidates import examples

    if out.exists():
        raise typer.BadParameter(f"{out} exists already; name a different file", param_hint="--out")
    using_caches(context)
    head = ["A config for parity. `parity plan` on it shows what a run would do, `parity run` runs it."]
    if model is None:
        head.append("Its model has synthetic weights: replace `source` by the path or the address of your own.")
    host = host_of(context)
    draft = draft_for(host, model or PLACEHOLDER, head)
    draft = replace(draft, runtimes=[*draft.runtimes, *examples(host)], gates=True)
    out.write_text(draft_text(draft), encoding="utf-8")
    emit(f"{out}: written; next: parity plan {out}")
