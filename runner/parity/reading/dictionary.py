"""The metric dictionary: each metric once, with its title, unit, meaning and the ways in which it can be had.

Code, reports and docs all read this table. Instants: `t0` the request is accepted and prefill begins,
`tk` token k is available. Counts: `P` prompt tokens, `N` generated tokens, end token included.
"""

from dataclasses import dataclass
from typing import Literal

REPORTED = "runtime-report"
"""Definition of a runtime's own figure: alone, or `runtime-report:DEFINITION` in the runtime's own terms."""


@dataclass(frozen=True)
class Definition:
    """One way of having a metric. Values of two different definitions are never divided by one another."""

    id: str
    sentence: str
    bound: Literal["lower", "upper"] | None = None
    """The value is only a bound of the metric: it is shown, and no gate rests on it."""


@dataclass(frozen=True)
class MetricSpec:
    """`better`: where a better value lies, or None for a mere fact. `definitions`: strictest first."""

    title: str
    unit: Literal["s", "token/s", "bytes", "cores", "tokens"]
    better: Literal["lower", "higher"] | None
    meaning: str
    definitions: tuple[Definition, ...]
    part: str | None = None
    """A metric that is a share of this one, and is shown beneath it."""


_REPORTED = Definition(REPORTED, "the runtime's own figure, as it printed it")
_PROCESS_TREE_SAMPLED = "process-tree-sampled"


def _token_stamps(sentence: str) -> tuple[Definition, ...]:
    return (Definition("token-stamps", sentence),)


METRICS: dict[str, MetricSpec] = {
    "load_s": MetricSpec(
        "Model Load",
        "s",
        "lower",
        "process spawn → weights resident and tokenizer loaded",
        (Definition("spawn-to-ready", "from the spawn to the mark at which a prompt could be taken"),),
        part="load_lm_s",
    ),
    "prompt_tps": MetricSpec(
        "Prompt Processing",
        "token/s",
        "higher",
        "P ÷ (t1 − t0), a first forward in a fresh process",
        (
            *_token_stamps("P over the time from the start of prefill to the stamp of the first token"),
            Definition(
                "prefill-short-budget",
                "P ÷ (T₁ − (N₁ − 1) ÷ gen_tps) of the shorter of two budgets; it holds the program's fixed work after "
                "the start mark too, so it is a lower bound",
                bound="lower",
            ),
        ),
    ),
    "gen_tps": MetricSpec(
        "Token Generation",
        "token/s",
        "higher",
        "(N − 1) ÷ (tN − t1)",
        (
            *_token_stamps("N − 1 over the time from the first token's stamp to the last's"),
            Definition(
                "two-budgets", "(N₂ − N₁) ÷ (T₂ − T₁) of two trials in one round that differ in their budget alone"
            ),
            Definition(
                "chunk-interval",
                "tokens in the text after its first chunk, over the time from the first chunk to the last; "
                "text may be held back, so its ends are not those of the tokens",
            ),
        ),
    ),
    "ttft_s": MetricSpec(
        "First Token Latency",
        "s",
        "lower",
        "t1 − t0",
        (
            *_token_stamps("from the start of prefill to the stamp of the first token"),
            Definition("first-token-mark", "from the start of prefill to the program's own mark of the first token"),
            Definition(
                "first-chunk",
                "from the start of prefill to the first visible text, which may have been held back: an upper bound",
                bound="upper",
            ),
        ),
    ),
    "total_s": MetricSpec(
        "Total Time",
        "s",
        "lower",
        "t0 → tN",
        (
            *_token_stamps("from the start of prefill to the stamp of the last token"),
            Definition(
                "start-to-end",
                "from the start of prefill to the mark at which generation is over, or to the stamp of the last token",
            ),
        ),
    ),
    "peak_rss_bytes": MetricSpec(
        "Peak Memory",
        "bytes",
        "lower",
        "highest resident memory of the process tree",
        (Definition(_PROCESS_TREE_SAMPLED, "the highest sample of the resident memory of all processes together"),),
    ),
    "load_weights_s": MetricSpec(
        "Load to Weights",
        "s",
        "lower",
        "process spawn → weights resident; the tokenizer may not be loaded yet",
        (Definition("spawn-to-weights", "from the spawn to the mark at which the weights are resident"),),
    ),
    "load_lm_s": MetricSpec(
        "Load of the Language Model",
        "s",
        "lower",
        "the language model's own share of `load_s`, where a program loads other models first",
        (Definition("lm-load-to-ready", "from the mark at which the language model's load begins to ready"),),
    ),
    "load_header_s": MetricSpec(
        "Header Read",
        "s",
        "lower",
        "the file's header only; never compared with the load of a model",
        (_REPORTED,),
    ),
    "itl_p50_s": MetricSpec(
        "Token Gap p50",
        "s",
        "lower",
        "median gap between consecutive tokens",
        _token_stamps("median of the gaps between the stamps of consecutive tokens"),
    ),
    "itl_p95_s": MetricSpec(
        "Token Gap p95",
        "s",
        "lower",
        "95th percentile of the gaps between consecutive tokens",
        _token_stamps("95th percentile of the gaps between the stamps of consecutive tokens"),
    ),
    "wall_s": MetricSpec(
        "Wall Time",
        "s",
        "lower",
        "process spawn → end of the process, or the stop rule",
        (Definition("spawn-to-end", "from the spawn to the end of the process, or to its stop mark"),),
    ),
    "cpu_s": MetricSpec(
        "CPU Time",
        "s",
        "lower",
        "user and system time of the process tree",
        (Definition("process-tree", "CPU time of all processes together, as the system accounts it"),),
    ),
    "load_cores": MetricSpec(
        "Cores in Load",
        "cores",
        None,
        "CPU time ÷ elapsed time while the model loads",
        (Definition(_PROCESS_TREE_SAMPLED, "from samples of the process tree's CPU time between spawn and ready"),),
    ),
    "gen_cores": MetricSpec(
        "Cores in Generation",
        "cores",
        None,
        "CPU time ÷ elapsed time while tokens are generated",
        (Definition(_PROCESS_TREE_SAMPLED, "from samples of the process tree's CPU time between t1 and tN"),),
    ),
    "prompt_tokens": MetricSpec(
        "Prompt Tokens",
        "tokens",
        None,
        "P, as the runtime took the prompt",
        (
            Definition("prompt-ids", "number of ids of the prompt"),
            Definition("prompt-count", "the number that the runtime gave, without its ids"),
        ),
    ),
    "generated_tokens": MetricSpec(
        "Generated Tokens",
        "tokens",
        None,
        "N, end token included",
        (
            *_token_stamps("number of stamped tokens"),
            Definition("runtime-count", "the runtime's own count, corrected for what it leaves out"),
            Definition("retokenised-text", "tokens of the generated text, tokenised again"),
        ),
    ),
}
"""Metric id → what it is, in the order in which reports show them."""


def strictness(metric: str, definition: str) -> int:
    """Rank of a definition, 0 the strictest; one that the table doesn't list (a runtime's own) comes last."""
    listed = [entry.id for entry in METRICS[metric].definitions] if metric in METRICS else []
    return listed.index(definition) if definition in listed else len(listed)


def definition_sentence(metric: str, definition: str) -> str:
    """What a definition says; a runtime's own is said in the runtime's terms."""
    for entry in METRICS[metric].definitions if metric in METRICS else ():
        if entry.id == definition:
            return entry.sentence
    kind, _, terms = definition.partition(":")
    if kind == REPORTED:
        return _REPORTED.sentence + (f" ({terms})" if terms else "")
    return definition


def only_a_bound(metric: str, definition: str) -> str | None:
    """`lower` or `upper` where a definition gives no more than a bound of the metric."""
    return next((d.bound for d in METRICS[metric].definitions if d.id == definition), None)
