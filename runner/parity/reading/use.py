"""What the process tree of a trial used in each phase, from the samples of its counters. Pure.

A sample is taken after a phase has begun and before it ends, never at its edges: parity would take a core at the very
instant that is measured. So counts are of the part of a phase between its first and its last sample. A load begins with
the process, when all counters are 0.
"""

from collections.abc import Iterator, Mapping

from parity.reading.timeline import Timeline
from parity.records import NamedThreads, Use, UsePhase
from parity.transcript import Counters, Sample

SHORTEST_S = 0.5
"""A shorter part of a phase holds too few ticks of CPU time, which Linux counts in steps of 10 ms."""

_NS = 1e-9
_COUNTERS = ("system_s", "voluntary", "involuntary", "minor_faults", "major_faults", "asked_bytes", "read_bytes")
_ZERO = Counters(**dict.fromkeys(Counters.model_fields, 0))
_EARLIER = "the version of parity that ran this trial did not ask for it"


def use_of(timeline: Timeline) -> tuple[Use, ...]:
    """The phases whose instants are known, and the whole trial; nothing where the processes of the trial only ask a
    server that was running before."""
    if timeline.spawned is None or timeline.ended is None or timeline.already_running:
        return ()
    return tuple(_uses(timeline, timeline.spawned, timeline.ended))


def threads_of(timeline: Timeline) -> tuple[NamedThreads, ...]:
    """Its threads by name, where all of them were looked at: they are where their context switches were counted."""
    end = timeline.transcript.end
    if end is None or timeline.already_running or "voluntary" in end.counters_absent:
        return ()
    return tuple(NamedThreads(**seen.model_dump()) for seen in end.threads)


def _uses(timeline: Timeline, spawned: int, ended: int) -> Iterator[Use]:
    ready, prefill = timeline.phase("ready", "end"), timeline.phase("prefill", "begin")
    stamps = [token.t_ns for token in timeline.tokens] or [chunk.t_ns for chunk in timeline.chunks]
    start = Sample(t_ns=spawned, rss_bytes=0, cpu_s=0.0, counters=_ZERO)
    if ready is not None and ready > spawned:
        yield _use(timeline, "load", spawned, ready, start)
    if prefill is not None and stamps and stamps[0] > prefill:
        yield _use(timeline, "prefill", prefill, stamps[0])
    if len(stamps) > 1 and stamps[-1] > stamps[0]:
        found = _use(timeline, "decode", stamps[0], stamps[-1])
        yield found.but(tokens=len(timeline.tokens) - 1 if timeline.tokens else None)
    if timeline.asides:
        yield _use(timeline, "trial", spawned, timeline.asides[0].begin_ns, start)
    else:
        yield _whole(timeline, spawned, ended)


def _use(timeline: Timeline, phase: UsePhase, begin: int, end: int, start: Sample | None = None) -> Use:
    """`start`: what is known of the instant at which the phase begins."""
    inside = [sample for sample in timeline.transcript.samples if begin <= sample.t_ns <= end]
    inside = [start, *inside] if start is not None else inside
    seconds = round((end - begin) * _NS, 6)
    counted_s = (inside[-1].t_ns - inside[0].t_ns) * _NS if len(inside) > 1 else 0.0
    if counted_s < SHORTEST_S:
        why = f"less than {SHORTEST_S} s lie between the first and the last look at this phase"
        return Use(phase=phase, seconds=seconds, absent=dict.fromkeys(("cpu_s", *_COUNTERS, "threads"), why))
    first, last = inside[0], inside[-1]
    counters = {
        name: round(max(0, after - before), 3)
        for name in _COUNTERS
        if first.counters is not None
        and last.counters is not None
        and (before := getattr(first.counters, name)) is not None
        and (after := getattr(last.counters, name)) is not None
    }
    return Use(
        phase=phase,
        seconds=seconds,
        counted_s=round(counted_s, 6),
        cpu_s=round(max(0.0, last.cpu_s - first.cpu_s), 3),
        threads=last.counters.threads if last.counters is not None else None,
        absent=_absent(timeline, counters, last.counters),
        **counters,
    )


def _whole(timeline: Timeline, spawned: int, ended: int) -> Use:
    """A whole trial without asides."""
    end = timeline.transcript.end
    assert end is not None, "the instant of its end is known"
    seconds = round((ended - spawned) * _NS, 6)
    known = end.counters.model_dump(exclude={"user_s"}, exclude_none=True) if end.counters is not None else {}
    absent = _absent(timeline, known, end.counters)
    if end.cpu_s is None:
        absent["cpu_s"] = "the process ended before parity could read its CPU time"
    return Use(phase="trial", seconds=seconds, counted_s=seconds, cpu_s=end.cpu_s, absent=absent, **known)


def _absent(timeline: Timeline, known: Mapping[str, float], counters: Counters | None) -> dict[str, str]:
    """Why counters are not known."""
    end = timeline.transcript.end
    told = end.counters_absent if end is not None else {}
    why = _EARLIER if counters is None else "it was not counted"
    missing = [name for name in _COUNTERS if name not in known]
    missing += ["threads"] if counters is None or counters.threads is None else []
    return {name: told.get(name, why) for name in missing}
