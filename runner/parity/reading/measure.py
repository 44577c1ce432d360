"""From the events of one good trial to its measurements, by the definitions of the metric dictionary. Pure.

Every metric of the dictionary that a trial could have is there: with a value, or with the reason why not.
"""

import itertools
from collections.abc import Iterator, Sequence

from parity.adapter.events import Event, RuntimeFigure
from parity.reading.blackbox import CountTokens, without_stamps
from parity.reading.dictionary import METRICS, REPORTED
from parity.reading.timeline import NS, Timeline, absent, had, span
from parity.records import Measurement
from parity.stats import quantile
from parity.transcript import Sample, Transcript

MIN_CORES_WINDOW_S = 0.5
"""Shorter phases hold too few samples of CPU time to say how many cores were busy."""

DOWNLOADED = "it downloaded files in this trial"


def measure(
    transcript: Transcript, events: Sequence[Event], count_tokens: CountTokens | None = None
) -> tuple[Measurement, ...]:
    """All measurements of a trial, in the order of the dictionary. `count_tokens` tokenises text that is known only as
    text."""
    timeline = Timeline(transcript, events)
    found = [
        *_load(timeline),
        *_prompt(timeline),
        *_generation(timeline),
        *without_stamps(timeline, count_tokens),
        *_process(timeline),
        *_figures(timeline),
    ]
    order = {metric: k for k, metric in enumerate(METRICS)}
    return tuple(sorted(found, key=lambda m: order.get(m.metric, len(order))))


def _load(timeline: Timeline) -> Iterator[Measurement]:
    if timeline.phase("download", "begin") is not None:
        yield absent("load_s", DOWNLOADED, "spawn-to-ready")
        yield absent("load_weights_s", DOWNLOADED, "spawn-to-weights")
        return
    ready = timeline.phase("ready", "end")
    weights = timeline.phase("weights", "end")
    yield span("load_s", "spawn-to-ready", timeline.spawned, ready, "the spawn", "ready")
    yield span("load_weights_s", "spawn-to-weights", timeline.spawned, weights, "the spawn", "resident weights")
    begun = timeline.phase("lm-load", "begin")
    if begun is not None:
        loaded = timeline.phase("lm-load", "end")
        yield span("load_lm_s", "lm-load-to-ready", begun, loaded, "the language model's load", "its end")


def _prompt(timeline: Timeline) -> Iterator[Measurement]:
    tokens = timeline.tokens
    t0, t1 = timeline.phase("prefill", "begin"), tokens[0].t_ns if tokens else None
    first = span("ttft_s", "token-stamps", t0, t1, "the start of prefill", "a first token")
    yield first
    marked = timeline.phase("prefill", "end")
    if not tokens and marked is not None:
        yield span("ttft_s", "first-token-mark", t0, marked, "the start of prefill", "the mark of the first token")
    count = timeline.prompt_tokens
    if count is None:
        yield absent("prompt_tokens", "the runtime did not show its prompt's tokens", "prompt-ids")
        yield absent("prompt_tps", "the number of prompt tokens was not seen", "token-stamps")
        return
    shown = timeline.prompt is not None and timeline.prompt.ids is not None
    yield had("prompt_tokens", count, "prompt-ids" if shown else "prompt-count")
    if first.value is None:
        yield absent("prompt_tps", first.reason or "", "token-stamps")
    elif count == 0:
        yield absent("prompt_tps", "the prompt has no tokens", "token-stamps")
    else:
        yield had("prompt_tps", count / first.value, "token-stamps", "derived")


def _generation(timeline: Timeline) -> Iterator[Measurement]:
    tokens = timeline.tokens
    if not tokens:
        for metric in ("generated_tokens", "gen_tps", "itl_p50_s", "itl_p95_s", "total_s"):
            yield absent(metric, "no token was seen", "token-stamps")
        return
    yield had("generated_tokens", len(tokens), "token-stamps")
    span_s = (tokens[-1].t_ns - tokens[0].t_ns) * NS
    if len(tokens) < 2:
        for metric in ("gen_tps", "itl_p50_s", "itl_p95_s"):
            yield absent(metric, "one token has no interval", "token-stamps")
    elif span_s <= 0:
        for metric in ("gen_tps", "itl_p50_s", "itl_p95_s"):
            yield absent(metric, "all tokens bear the same instant", "token-stamps")
    else:
        gaps = [(b.t_ns - a.t_ns) * NS for a, b in itertools.pairwise(tokens)]
        yield had("gen_tps", (len(tokens) - 1) / span_s, "token-stamps", "derived")
        yield had("itl_p50_s", quantile(gaps, 0.5), "token-stamps", "derived")
        # Below 20 gaps the 95th percentile is the largest value and says nothing of its own.
        yield (
            had("itl_p95_s", quantile(gaps, 0.95), "token-stamps", "derived")
            if len(gaps) >= 20
            else absent("itl_p95_s", f"{len(gaps)} gaps are too few for a 95th percentile", "token-stamps")
        )
    t0 = timeline.phase("prefill", "begin")
    yield span("total_s", "token-stamps", t0, tokens[-1].t_ns, "the start of prefill", "a last token")
    yield span("total_s", "start-to-end", t0, tokens[-1].t_ns, "the start of prefill", "a last token")


def _process(timeline: Timeline) -> Iterator[Measurement]:
    end = timeline.transcript.end
    yield span("wall_s", "spawn-to-end", timeline.spawned, timeline.ended, "the spawn", "the end")
    peak = end.peak_rss_bytes if end else None
    yield (
        had("peak_rss_bytes", peak, "process-tree-sampled")
        if peak
        else absent("peak_rss_bytes", "the process ended before its memory was read", "process-tree-sampled")
    )
    cpu_s = end.cpu_s if end else None
    yield (
        had("cpu_s", cpu_s, "process-tree")
        if cpu_s is not None
        else absent("cpu_s", "the process ended before its CPU time was read", "process-tree")
    )
    tokens = timeline.tokens
    yield _cores("load_cores", timeline, timeline.spawned, timeline.phase("ready", "end"))
    yield _cores("gen_cores", timeline, tokens[0].t_ns if tokens else None, tokens[-1].t_ns if tokens else None)


def _cores(metric: str, timeline: Timeline, start: int | None, end: int | None) -> Measurement:
    """Cores busy between two instants: CPU time of the tree ÷ elapsed time, from its samples."""
    definition = "process-tree-sampled"
    if start is None or end is None:
        return absent(metric, "the phase was not seen", definition)
    if (end - start) * NS < MIN_CORES_WINDOW_S:
        return absent(metric, f"the phase is shorter than {MIN_CORES_WINDOW_S} s", definition)
    inside = [s for s in timeline.transcript.samples if start <= s.t_ns <= end]
    if len(inside) < 2 or inside[-1].t_ns == inside[0].t_ns:
        return absent(metric, "fewer than two samples of CPU time fall into the phase", definition)
    return had(metric, _rate(inside), definition, "derived")


def _rate(samples: Sequence[Sample]) -> float:
    return (samples[-1].cpu_s - samples[0].cpu_s) / ((samples[-1].t_ns - samples[0].t_ns) * NS)


def _figures(timeline: Timeline) -> Iterator[Measurement]:
    """The runtime's own figures. Their definition bears the runtime's meaning, so only like is compared with like."""
    for event in timeline.events:
        if not isinstance(event, RuntimeFigure) or event.metric not in METRICS:
            continue
        definition = f"{REPORTED}:{event.definition}"
        if event.value is None:
            reason = f"the runtime printed {event.raw!r}" if event.raw else "the runtime gave no number"
            yield absent(event.metric, reason, definition).model_copy(update={"provenance": "reported"})
        else:
            yield had(event.metric, event.value, definition, "reported")
