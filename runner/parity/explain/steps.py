"""Which facts of a trial each definition of a metric reads."""

from collections.abc import Sequence

from parity.adapter.events import RuntimeFigure
from parity.explain.records import Source
from parity.explain.tracing import MARKS, Traced
from parity.reading.dictionary import METRICS, REPORTED
from parity.reading.metrics.two_budgets import PROMPT, RATE
from parity.units import format_value

_COUNTED = ("t0", "tN", "first text", "last text", "count", "end of generation")
"""What T and N of a trial of two budgets are from; not every program shows them all."""

_READS: dict[tuple[str, str], tuple[str, ...]] = {
    ("load_s", "spawn-to-ready"): ("spawn", "ready"),
    ("load_weights_s", "spawn-to-weights"): ("spawn", "weights"),
    ("load_lm_s", "lm-load-to-ready"): ("load begins", "load ends"),
    ("prompt_tps", "token-stamps"): ("prompt", "t0", "t1"),
    ("prompt_tps", "steady-state"): ("prompt", "further prefills"),
    ("prompt_tps", "prompt-to-text"): ("prompt", "t0", "first text"),
    ("prompt_tps", "prefill-short-budget"): ("prompt", *_COUNTED),
    ("ttft_s", "token-stamps"): ("t0", "t1"),
    ("ttft_s", "first-text"): ("t0", "first text"),
    ("ttft_s", "first-token-mark"): ("t0", "first-token mark"),
    ("ttft_s", "first-chunk"): ("t0", "first text"),
    ("gen_tps", "token-stamps"): ("t1", "tN"),
    ("gen_tps", "two-budgets"): _COUNTED,
    ("gen_tps", "chunk-interval"): ("first text", "last text"),
    ("gen_late_tps", "token-stamps"): ("t1", "tN"),
    ("sampling_share", "sampling-time"): ("t1", "tN", "sampling"),
    ("itl_p50_s", "token-stamps"): ("t1", "tN"),
    ("itl_p95_s", "token-stamps"): ("t1", "tN"),
    ("itl_p50_s", "text-gaps"): ("first text", "last text"),
    ("itl_p95_s", "text-gaps"): ("first text", "last text"),
    ("total_s", "token-stamps"): ("t0", "tN"),
    ("total_s", "start-to-text"): ("t0", "whole text", "end of generation"),
    ("generated_tokens", "token-stamps"): ("t1", "tN"),
    ("generated_tokens", "runtime-count"): ("count",),
    ("generated_tokens", "retokenised-text"): ("first text", "last text"),
    ("prompt_tokens", "prompt-ids"): ("prompt",),
    ("prompt_tokens", "prompt-count"): ("prompt",),
    ("wall_s", "spawn-to-exit"): ("spawn", "end", "aside", "further prefills"),
    ("wall_s", "spawn-to-stop-mark"): ("spawn", "end"),
    ("cpu_s", "process-tree"): ("end", "aside", "further prefills"),
    ("peak_rss_bytes", "process-tree-sampled"): ("peak sample", "end"),
    ("peak_vram_bytes", "nvml-sampled"): ("peak sample of GPU memory",),
    ("load_import_s", "spawn-to-import"): ("spawn", "import"),
    ("load_weights_s", "weights-begin-to-end"): ("weights begin", "weights"),
    ("load_tokenizer_s", "tokenizer-begin-to-end"): ("tokenizer begins", "tokenizer"),
    ("load_cores", "process-tree-sampled"): ("spawn", "ready"),
    ("gen_cores", "process-tree-sampled"): ("t1", "tN"),
}

_OF_SOME_GAPS = ("gen_late_tps", "itl_p50_s", "itl_p95_s")
"""Metrics that come from some of the gaps between their two instants, not from the time between these."""


def knows(metric: str, definition: str) -> bool:
    """Whether it is known which facts a definition reads."""
    return (metric, definition) in _READS or definition.startswith(REPORTED)


def sources_of(trial: Traced, metric: str, definition: str) -> tuple[Source, ...]:
    """The facts that a measurement was computed from; all marks of the trial for a definition that isn't known here."""
    if definition.startswith(REPORTED):
        figure = trial.first(
            lambda e: isinstance(e, RuntimeFigure) and e.metric == metric and definition.endswith(f":{e.definition}"),
            last=True,
        )
        source = trial.of_event("figure", figure)
        return () if source is None else (source,)
    found = trial.sources(_READS.get((metric, definition), MARKS))
    if definition in (RATE, PROMPT) and "t0" not in {source.name for source in found}:
        # A program without marks is measured from its spawn to its end.
        return (*trial.sources(("spawn",)), *found, *trial.sources(("end",)))
    return found


def worked_out(metric: str, definition: str, sources: Sequence[Source], value: float) -> str | None:
    """The definition with the numbers of one trial; None where it is not the time, or a rate, between two instants."""
    at = {source.name: source.at_s for source in sources if source.at_s is not None}
    if metric in _OF_SOME_GAPS:
        return None
    ends = [name for name in _READS.get((metric, definition), ()) if name in at and name != "prompt"]
    if len(ends) != 2 or METRICS[metric].unit not in ("s", "token/s"):
        return None
    start, end = ends
    span_s = at[end] - at[start]
    shown = format_value(value, METRICS[metric].unit)
    if METRICS[metric].unit == "s":
        return f"{end} − {start} = {at[end]:.6f} − {at[start]:.6f} s = {shown}"
    return f"{value * span_s:.6g} ÷ ({end} − {start}) = {value * span_s:.6g} ÷ {span_s:.6f} s = {shown}"
