"""What to do about a verdict that is no PASS, which is the end of its sentence, and about what was odd. Pure.

Advice that holds TOML has it on lines of its own, so that it can be copied; `flattened` makes one line of it.
"""

from collections.abc import Collection, Sequence

from parity.reading.departures import CHANGED
from parity.reading.dictionary import METRICS
from parity.reading.facts import FACTS
from parity.reading.metrics.two_budgets import RATE
from parity.records import OutputVerdict
from parity.stats import Looks

ON_A_QUIETER_MACHINE = "measure on a quieter machine"
FURTHER_APART = "set `max_tokens` and `short_tokens` further apart"
NEVER_ZERO = "choose a metric that is never zero"
TO_RESUME = "`parity run --resume` runs them"
TO_SEE_MISSING = "`parity doctor` says what is missing"
TO_SHOW_ITS_DEVICE = "make it report the setting `device`"
TO_SEE_MORE = 'a gate of kind = "outputs" has the runtimes score one answer, and shows more'
LET_OUTPUTS_AGREE = "fix its outputs first: `parity bisect` finds where they begin to differ"

EVERY_ROUND = "fix what kept the value from being measured, then run again"
FAILED_ROUNDS = "fix the failed trials, whose last lines are in the report, then run again"
FURTHER_FROM_IT = "set a bound that is further from the value, or make the gate advice (`required = false`)"
ABOVE_THE_FLOOR = f"{ON_A_QUIETER_MACHINE}, or set a bound that leaves room for the floor"
TO_GENERATE_ALL = "set `ignore_end = true` in the test if each is to generate all of them"
TO_KEEP_THE_BUDGET = "make it stop at `max_tokens`"
TO_READ_BOTH = "gates read the latter; `parity explain` shows how each is measured"
TO_QUIET_IT = "stop what else runs (`parity run` names it as it begins), or allow it by `conditions.others_cpu`"
TO_PLUG_IT_IN = "plug the machine in: on battery its CPUs may be slower"
TO_COOL_IT = "let the machine cool down, and cool it better: a hot CPU is a slower one"
TO_FREE_THE_GPU = "stop what else computes on the GPU"

_LIMITS = {
    "timeout:load": "load_s",
    "timeout:first-token": "first_token_s",
    "timeout:total": "total_s",
    "stall": "stall_s",
    "output-limit": "max_output_bytes",
    "memory-limit": "max_memory_bytes",
}
"""Failure class → the limit that a trial exceeded."""

_TAKES = {
    "token-stamps": "`token` events of the program",
    "spawn-to-ready": "a mark at which the program is ready (the event `ready`, or `markers`)",
    "spawn-to-weights": "a mark at which the weights are resident",
    "lm-load-to-ready": "marks of the load of the language model",
    "prompt-ids": "the event `prompt`",
}
"""Definition → what a program has to show for it."""

_SAME = {
    "weights": "let both load the test's model, and show its file as `weights_file`",
    "prompt": "let both send the same text, by `prompt_as` or `raw` in the test",
    "sampling": "give both the same sampling",
    "tokens": "let both generate as many tokens, such as by `ignore_end` in the test",
}
"""Fact that must be proven equal → what makes it so."""


def to_compare(facts: Collection[str], declarable: Collection[str], runtime: str) -> str | None:
    """What makes a runtime comparable with the baseline that differs from it in these facts, or doesn't show them; None
    where nothing is known to. `declarable`: facts of which the config can declare that they differ."""
    equal = [_SAME[fact] for fact in facts if fact in _SAME and fact not in declarable]
    if may_declare := [fact for fact in facts if fact in declarable]:
        equal.append(f"if that is intended, declare it:{_declarations(may_declare, runtime)}")
    return "; ".join(equal) or None


def to_declare(fact: str, runtime: str) -> str | None:
    """What to do about trials of a runtime that depart from what was asked; None for what no config can declare."""
    if fact == "weights":
        return "let it load the test's model, and show its file as `weights_file`"
    if fact == CHANGED:
        return "leave it as it is until the run has ended; no declaration covers a change"
    return f"if that is intended, declare it:{_declarations([fact], runtime)}" if fact in FACTS else None


def to_accept(found: OutputVerdict) -> str:
    """What to do about outputs that are UNPROVEN."""
    if not found.acceptable:
        return "no declaration covers it: something differs, or could have been checked and was not"
    return f"if that is acceptable, declare it:{_declarations(['outputs'], found.runtime)}"


def to_measure(metric: str, tried: Collection[str]) -> str:
    """How a metric comes to have a value by a definition that gates accept. `tried`: definitions that gave a value or
    a reason why there is none."""
    listed = [definition.id for definition in METRICS[metric].definitions]
    if RATE in listed and RATE in tried:
        return FURTHER_APART
    if RATE in listed:
        return "set `short_tokens` in the test, so that two token budgets measure it"
    takes = _TAKES.get(listed[0])
    return f"it takes {takes}" if takes else "choose a metric for the gate that the program shows"


def to_meet(value: float, low: float | None, high: float | None) -> str:
    """By how much a value misses its bounds; nothing for one that is no positive number."""
    if value <= 0:
        return ""
    if low is not None and value < low:
        times = low / value
        return f"{times:.3g} times as much would meet it" if times >= 2 else f"{_percent(times - 1)} more would meet it"
    if high is not None and value > high:
        return f"{_percent(1 - high / value)} less would meet it"
    return ""


def set_rounds(looks: Looks, rounds: int) -> str:
    """The key that gives a run so many rounds."""
    return f"set `rounds.{'fixed' if looks.fixed else 'max'} = {rounds}`"


def warm_up(rounds: int) -> str:
    """The key that leaves work that is done once out of the first measured round. `rounds`: those that warmed up."""
    return f"set `rounds.warmup = {rounds + 1}`, so that what is done once is not measured"


def after_failure(kind: str) -> str:
    """What to do about a failed trial."""
    if kind in _LIMITS:
        return f"set `limits.{_LIMITS[kind]}` higher if that is no fault"
    return "the report has its last lines under Failed trials"


def _declarations(facts: Sequence[str], runtime: str) -> str:
    """TOML that declares differences of a runtime, to be pasted."""
    tables = [
        f'\n[[declare]]\nfact = "{fact}"\nruntimes = ["{runtime}"]\nreason = "why it is intended"' for fact in facts
    ]
    return "".join(tables)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"
