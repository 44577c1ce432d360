"""How a metric comes to be measured where it is not: the end of a sentence that says so. Pure."""

from collections.abc import Collection

from parity.reading.departures import CHANGED
from parity.reading.dictionary import METRICS
from parity.reading.facts import FACTS
from parity.reading.metrics.two_budgets import RATE

_TAKES = {
    "token-stamps": "`token` events of the program",
    "spawn-to-ready": "a mark at which the program is ready (the event `ready`, or `markers`)",
    "spawn-to-weights": "a mark at which the weights are resident",
    "lm-load-to-ready": "marks of the load of the language model",
    "prompt-ids": "the event `prompt`",
}
"""Definition → what a program has to show for it."""


_SAME = {
    "weights": "let both load the test's model, and show its file",
    "prompt": "let both send the same text, by `prompt_as` or `raw` in the test",
    "sampling": "give both the same sampling",
    "tokens": "let both generate as many tokens, such as by `ignore_end` in the test",
}
"""Fact that must be proven equal → what makes it so."""


def to_compare(facts: Collection[str]) -> str | None:
    """What makes two sides comparable that differ in these facts, or don't show them; None for those that a config can
    declare, which their own sentence says."""
    return "; ".join(_SAME[fact] for fact in facts if fact in _SAME) or None


def to_declare(fact: str) -> str | None:
    """What to do about trials that depart from what was asked; None for what no config can declare."""
    if fact == "weights":
        return "let it load the test's model, and show its file"
    if fact == CHANGED:
        return "leave it as it is until the run has ended; no declaration covers a change"
    return f'if that is intended, declare it: [[declare]] fact = "{fact}"' if fact in FACTS else None


def to_measure(metric: str, tried: Collection[str]) -> str:
    """How a metric comes to have a value by a definition that gates accept. `tried`: definitions that gave a value or
    a reason why there is none."""
    listed = [definition.id for definition in METRICS[metric].definitions]
    if RATE in listed and RATE in tried:
        return "set `max_tokens` and `short_tokens` further apart"
    if RATE in listed:
        return "set `short_tokens` in the test, so that two token budgets measure it"
    takes = _TAKES.get(listed[0])
    return f"it takes {takes}" if takes else "choose a metric for the gate that the program shows"
