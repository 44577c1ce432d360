"""How a metric comes to be measured where it is not: the end of a sentence that says so. Pure."""

from collections.abc import Collection

from parity.reading.dictionary import METRICS
from parity.reading.metrics.two_budgets import RATE

_TAKES = {
    "token-stamps": "`token` events of the program",
    "spawn-to-ready": "a mark at which the program is ready (the event `ready`, or `markers`)",
    "spawn-to-weights": "a mark at which the weights are resident",
    "lm-load-to-ready": "marks of the load of the language model",
    "prompt-ids": "the event `prompt`",
}
"""Definition → what a program has to show for it."""


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
