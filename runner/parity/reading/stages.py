"""What a trial was at from its spawn to its end, as stages that follow each other without a gap. Pure."""

from collections.abc import Iterator
from itertools import pairwise

from parity.reading.timeline import Timeline
from parity.records import Stage, StageName

_MARKED: tuple[StageName, ...] = ("import", "header", "tokenizer", "weights", "lm-load", "download")
"""Stages that are phases of the event protocol by the same name."""

_NS = 1e-9

Span = tuple[StageName, int, int]
"""A stage with the instants of its begin and its end, in ns."""


def stages_of(timeline: Timeline) -> tuple[Stage, ...]:
    """The stages in their order; none without the instants of spawn and end. Where one stage lies within another, its
    time is the inner one's alone. A phase that began and never ended lasts until the process was gone."""
    spawned, ended = timeline.spawned, timeline.ended
    if spawned is None or ended is None or ended <= spawned:
        return ()
    spans = [
        (name, max(begin, spawned), min(end, ended)) for name, begin, end in _spans(timeline, spawned, ended) if begin
    ]
    edges = sorted({edge for _, begin, end in spans if begin < end for edge in (begin, end)})
    found: list[Span] = []
    for begin, end in pairwise(edges):
        name = _innermost(spans, begin, end)
        if found and found[-1][0] == name:
            found[-1] = (name, found[-1][1], end)
        else:
            found.append((name, begin, end))
    return tuple(
        Stage(name=name, begin_s=round((begin - spawned) * _NS, 6), end_s=round((end - spawned) * _NS, 6))
        for name, begin, end in found
    )


def _innermost(spans: list[Span], begin: int, end: int) -> StageName:
    """The name of the span that began last among those that hold the interval; of several, the shortest."""
    holding = [span for span in spans if span[1] <= begin and end <= span[2]]
    return max(holding, key=lambda span: (span[1], -span[2]))[0]


def _spans(timeline: Timeline, spawned: int, ended: int) -> Iterator[Span]:
    yield "other", spawned, ended
    ready, weights = timeline.phase("ready", "end"), timeline.phase("weights", "end")
    # Of two that are equally long, the first one is taken, which says more.
    if weights is not None and timeline.phase("weights", "begin") is None:
        yield "to-weights", spawned, weights
    if ready is not None:
        yield "load", spawned, ready
    for name in _MARKED:
        begin, end = timeline.phase(name, "begin"), timeline.phase(name, "end")
        if name == "import":
            # A process that imports has done nothing else before.
            begin = spawned if end is not None else begin
        if begin is not None:
            yield name, begin, end if end is not None and end >= begin else ended
    yield from _of_answer(timeline, ended)
    for aside in timeline.asides:
        yield "aside", aside.begin_ns, aside.t_ns


def _of_answer(timeline: Timeline, ended: int) -> Iterator[Span]:
    """Prefill and decoding; of a program that shows text alone, the time to its first text and to its last."""
    tokens = [token.t_ns for token in timeline.tokens]
    chunks = [chunk.t_ns for chunk in timeline.chunks]
    begun, marked = timeline.phase("prefill", "begin"), timeline.phase("prefill", "end")
    first = tokens[0] if tokens else marked
    if begun is not None:
        if first is not None:
            yield "prefill", begun, first
        else:
            yield "first-text" if chunks else "prefill", begun, chunks[0] if chunks else ended
    if len(tokens) > 1:
        yield "decode", tokens[0], tokens[-1]
    elif not tokens:
        lasts = [t for t in (timeline.phase("generate", "end"), timeline.text_ns, *chunks[-1:]) if t is not None]
        start = first if first is not None else next(iter(chunks), None)
        if start is not None and lasts:
            yield "answer", start, max(lasts)
