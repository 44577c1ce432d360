"""From the events of one good trial to its measurements, by the definitions of the metric dictionary. Pure.

Every metric of the dictionary that a trial could have is there: with a value, or with the reason why not.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from parity.dictionary import METRICS, REPORTED
from parity.events import Event, Phase, Prompt, RuntimeFigure, Token
from parity.records import Measurement
from parity.stats import quantile
from parity.transcript import Sample, Transcript

NS = 1e-9
MIN_CORES_WINDOW_S = 0.5
"""Shorter phases hold too few samples of CPU time to say how many cores were busy."""


@dataclass(frozen=True)
class Timeline:
    """The instants of one trial, in ns of the monotonic clock; None where it was not seen."""

    transcript: Transcript
    events: Sequence[Event]

    @cached_property
    def tokens(self) -> list[Token]:
        return [event for event in self.events if isinstance(event, Token)]

    @cached_property
    def prompt(self) -> Prompt | None:
        return next((event for event in self.events if isinstance(event, Prompt)), None)

    @property
    def prompt_tokens(self) -> int | None:
        """P, from the ids where they were shown."""
        if self.prompt is None:
            return None
        return len(self.prompt.ids) if self.prompt.ids is not None else self.prompt.count

    def phase(self, name: str, edge: str) -> int | None:
        """When a phase first began, or last ended."""
        stamps = [e.t_ns for e in self.events if isinstance(e, Phase) and e.name == name and e.edge == edge]
        if not stamps:
            return None
        return stamps[0] if edge == "begin" else stamps[-1]

    @property
    def spawned(self) -> int | None:
        return self.transcript.spawn.t_ns if self.transcript.spawn else None

    @property
    def ended(self) -> int | None:
        return self.transcript.end.t_ns if self.transcript.end else None


def measure(transcript: Transcript, events: Sequence[Event]) -> tuple[Measurement, ...]:
    """All measurements of a trial, in the order of the dictionary."""
    timeline = Timeline(transcript, events)
    found = [
        *_load(timeline),
        *_prompt(timeline),
        *_generation(timeline),
        *_process(timeline),
        *_figures(timeline),
    ]
    order = {metric: k for k, metric in enumerate(METRICS)}
    return tuple(sorted(found, key=lambda m: order.get(m.metric, len(order))))


def _had(
    metric: str, value: float, definition: str, provenance: str = "observed", note: str | None = None
) -> Measurement:
    return Measurement.model_validate(
        {
            "metric": metric,
            "unit": METRICS[metric].unit,
            "definition": definition,
            "provenance": provenance,
            "value": value,
            "note": note,
        }
    )


def _absent(metric: str, reason: str, definition: str) -> Measurement:
    return Measurement(
        metric=metric, unit=METRICS[metric].unit, definition=definition, provenance="observed", reason=reason
    )


def _span(metric: str, definition: str, start: int | None, end: int | None, starts: str, ends: str) -> Measurement:
    if start is None or end is None:
        return _absent(metric, f"no sign of {starts if start is None else ends}", definition)
    if end <= start:
        return _absent(metric, f"{ends} does not come after {starts}", definition)
    return _had(metric, (end - start) * NS, definition)


def _load(timeline: Timeline) -> Iterator[Measurement]:
    ready = timeline.phase("ready", "end")
    weights = timeline.phase("weights", "end")
    yield _span("load_s", "spawn-to-ready", timeline.spawned, ready, "the spawn", "ready")
    yield _span("load_weights_s", "spawn-to-weights", timeline.spawned, weights, "the spawn", "resident weights")


def _prompt(timeline: Timeline) -> Iterator[Measurement]:
    tokens = timeline.tokens
    t0, t1 = timeline.phase("prefill", "begin"), tokens[0].t_ns if tokens else None
    first = _span("ttft_s", "token-stamps", t0, t1, "the start of prefill", "a first token")
    yield first
    count = timeline.prompt_tokens
    if count is None:
        yield _absent("prompt_tokens", "the runtime did not show its prompt's tokens", "prompt-ids")
        yield _absent("prompt_tps", "the number of prompt tokens was not seen", "token-stamps")
        return
    shown = timeline.prompt is not None and timeline.prompt.ids is not None
    yield _had("prompt_tokens", count, "prompt-ids" if shown else "prompt-count")
    if first.value is None:
        yield _absent("prompt_tps", first.reason or "", "token-stamps")
    elif count == 0:
        yield _absent("prompt_tps", "the prompt has no tokens", "token-stamps")
    else:
        yield _had("prompt_tps", count / first.value, "token-stamps", "derived")


def _generation(timeline: Timeline) -> Iterator[Measurement]:
    tokens = timeline.tokens
    if not tokens:
        for metric in ("generated_tokens", "gen_tps", "itl_p50_s", "itl_p95_s", "total_s"):
            yield _absent(metric, "no token was seen", "token-stamps")
        return
    yield _had("generated_tokens", len(tokens), "token-stamps")
    span_s = (tokens[-1].t_ns - tokens[0].t_ns) * NS
    if len(tokens) < 2:
        for metric in ("gen_tps", "itl_p50_s", "itl_p95_s"):
            yield _absent(metric, "one token has no interval", "token-stamps")
    elif span_s <= 0:
        for metric in ("gen_tps", "itl_p50_s", "itl_p95_s"):
            yield _absent(metric, "all tokens bear the same instant", "token-stamps")
    else:
        gaps = [(b.t_ns - a.t_ns) * NS for a, b in itertools.pairwise(tokens)]
        yield _had("gen_tps", (len(tokens) - 1) / span_s, "token-stamps", "derived")
        yield _had("itl_p50_s", quantile(gaps, 0.5), "token-stamps", "derived")
        # Below 20 gaps the 95th percentile is the largest value and says nothing of its own.
        yield (
            _had("itl_p95_s", quantile(gaps, 0.95), "token-stamps", "derived")
            if len(gaps) >= 20
            else _absent("itl_p95_s", f"{len(gaps)} gaps are too few for a 95th percentile", "token-stamps")
        )
    t0 = timeline.phase("prefill", "begin")
    yield _span("total_s", "token-stamps", t0, tokens[-1].t_ns, "the start of prefill", "a last token")


def _process(timeline: Timeline) -> Iterator[Measurement]:
    end = timeline.transcript.end
    yield _span("wall_s", "spawn-to-end", timeline.spawned, timeline.ended, "the spawn", "the end")
    peak = end.peak_rss_bytes if end else None
    yield (
        _had("peak_rss_bytes", peak, "process-tree-sampled")
        if peak
        else _absent("peak_rss_bytes", "the process ended before its memory was read", "process-tree-sampled")
    )
    cpu_s = end.cpu_s if end else None
    yield (
        _had("cpu_s", cpu_s, "process-tree")
        if cpu_s is not None
        else _absent("cpu_s", "the process ended before its CPU time was read", "process-tree")
    )
    tokens = timeline.tokens
    yield _cores("load_cores", timeline, timeline.spawned, timeline.phase("ready", "end"))
    yield _cores("gen_cores", timeline, tokens[0].t_ns if tokens else None, tokens[-1].t_ns if tokens else None)


def _cores(metric: str, timeline: Timeline, start: int | None, end: int | None) -> Measurement:
    """Cores busy between two instants: CPU time of the tree ÷ elapsed time, from its samples."""
    definition = "process-tree-sampled"
    if start is None or end is None:
        return _absent(metric, "the phase was not seen", definition)
    if (end - start) * NS < MIN_CORES_WINDOW_S:
        return _absent(metric, f"the phase is shorter than {MIN_CORES_WINDOW_S} s", definition)
    inside = [s for s in timeline.transcript.samples if start <= s.t_ns <= end]
    if len(inside) < 2 or inside[-1].t_ns == inside[0].t_ns:
        return _absent(metric, "fewer than two samples of CPU time fall into the phase", definition)
    return _had(metric, _rate(inside), definition, "derived")


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
            yield _absent(event.metric, reason, definition).model_copy(update={"provenance": "reported"})
        else:
            yield _had(event.metric, event.value, definition, "reported")
