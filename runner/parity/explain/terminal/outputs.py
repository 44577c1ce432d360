"""How a verdict on outputs came about, in a terminal. The gates' verdicts, with their sentences, stand above it."""

from rich.console import Console

from parity.explain.records import Farthest, OutputsExplained
from parity.explain.terminal.layout import new_table, print_heading, print_indented
from parity.records import Distances, OutputVerdict, Tolerance, Top
from parity.visible import printable

_SHOWN_TOP = 3
"""Tokens of a list of likeliest ones that a line has room for."""


def print_outputs(console: Console, shown: OutputsExplained) -> None:
    """The rungs, the trials that scored, the distances and what they are held to, and the farthest position."""
    print_heading(console, "Outputs")
    verdict = shown.verdict
    if verdict is not None:
        _rungs(console, verdict)
    for trial in shown.scored:
        said = trial.failure or f"{trial.ids} ids"
        console.print(printable(f"{trial.file}: {trial.runtime}, {trial.what}: {said}"), soft_wrap=True)
    if verdict is None:
        return
    if verdict.distances is not None and verdict.tolerance is not None:
        _distances(console, verdict.distances, verdict.tolerance)
    if shown.farthest is not None:
        _farthest(console, shown.farthest, verdict)


def _rungs(console: Console, verdict: OutputVerdict) -> None:
    table = new_table("Rung", "State", "What was compared")
    for rung in verdict.rungs:
        table.add_row(rung.name, rung.state, printable(rung.detail))
    console.print(table)


def _distances(console: Console, found: Distances, tolerance: Tolerance) -> None:
    table = new_table("Distance, in nats", "Found", "Tolerance", "Drift beyond")
    for name, value, allowed, blamed in (
        ("mean KL", found.mean_kl, tolerance.allowed.mean_kl, tolerance.blamed.mean_kl),
        ("99th percentile", found.p99_kl, tolerance.allowed.p99_kl, tolerance.blamed.p99_kl),
        (
            f"|Δ log p|, at position {found.largest_at}",
            found.largest_delta,
            tolerance.allowed.delta,
            tolerance.blamed.delta,
        ),
    ):
        table.add_row(name, *(f"{number:.3g}" for number in (value, allowed, blamed)))
    console.print(table)
    console.print(printable(f"The tolerance is {tolerance.source}."))


def _farthest(console: Console, found: Farthest, verdict: OutputVerdict) -> None:
    where = f"token {found.token} of the continuation" if found.token is not None else "in the prompt"
    console.print(
        printable(
            f"Farthest apart at position {found.position} ({where}, id {found.id}), by at least {found.kl:.3g} nats:"
        )
    )
    print_indented(console, f"{verdict.baseline}: {_listed(found.theirs)}")
    print_indented(console, f"{verdict.runtime}: {_listed(found.ours)}")


def _listed(top: Top) -> str:
    return ", ".join(f"{token} {logprob:.4f}" for token, logprob in top[:_SHOWN_TOP])
