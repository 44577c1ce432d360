"""Configs that parity writes itself: for `parity run MODEL`, and for `parity init`."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from parity.cli.common import say

if TYPE_CHECKING:
    from parity.config.draft import Draft
    from parity.hosts.host import Host

NOTHING_RAN = 5


def names_model(target: str) -> bool:
    """Whether an argument names a model and no config."""
    return "://" in target or target.lower().endswith(".gguf") or (Path(target) / "config.json").is_file()


def sweep_of(text: str | None) -> tuple[int, ...]:
    """The lengths of prompts that `--sweep prompt=128,512` names."""
    if text is None:
        return ()
    key, _, values = text.partition("=")
    lengths = [int(part) for part in values.split(",") if part.strip().isdecimal()]
    if key != "prompt" or len(lengths) != len(values.split(",")) or not all(1 <= each <= 200_000 for each in lengths):
        wrong = f"{text!r} is not of the form prompt=128,512,2048: lengths of the prompt in tokens"
        raise typer.BadParameter(wrong, param_hint="--sweep")
    return tuple(dict.fromkeys(lengths))


def draft_for(
    host: "Host",
    model: str,
    head: Sequence[str],
    *,
    lengths: Sequence[int] = (),
    wanted: Sequence[str] = (),
    max_s: float | None = None,
) -> "Draft":
    """What a config for a model says here, with every runtime that is ready. `wanted`: adapters that are taken although
    they are compiled first.

    Raises:
        typer.Exit: no runtime is ready; it is told what would help.
    """
    from parity.config.draft import Draft, name_of_model, sweep_tests, usual_tests
    from parity.run.candidates import candidates, drafted
    from parity.run.progress import showing

    with showing() as progress:
        found = candidates(host, progress)
    runtimes, notes = drafted(found, wanted, host.facts().usable_cpus)
    source = model if "://" in model else str(Path(model).expanduser().absolute())
    draft = Draft(tuple(head), name_of_model(model), source, usual_tests(), runtimes, notes, max_s=max_s)
    for runtime in draft.runtimes:
        for line in runtime.absent:
            say(line)
    if not draft.ready:
        say("parity: no runtime is ready here, so that nothing can run; `parity doctor` says what would help")
        raise typer.Exit(NOTHING_RAN)
    for note in notes:
        say(f"not the same for all: {note}")
    return replace(draft, tests=sweep_tests(lengths, _sized(source, lengths))) if lengths else draft


def _sized(source: str, lengths: Sequence[int]) -> dict[int, str]:
    """Length → a prompt of exactly so many tokens, of those that can be made."""
    from parity.run.progress import showing
    from parity.run.sizing import sized_prompts

    with showing() as progress:
        prompts, why = sized_prompts(source, lengths, progress)
    if why is not None:
        say(f"the lengths of prompts are about right and not exact: {why}")
    return prompts


def repeats(folder: Path, options: Sequence[str]) -> str:
    """The command that repeats the run of a config that parity wrote."""
    return " ".join(("parity run", shlex.quote(str(folder / "config.toml")), *options))
