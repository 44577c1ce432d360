"""The process: wall time, memory, CPU time, and the cores that were busy."""

from collections.abc import Iterator, Sequence

from parity.reading.metrics.spec import NS, Definition, MetricSpec
from parity.reading.timeline import Timeline
from parity.records import Measurement
from parity.transcript import Sample

SHORTEST_FOR_CORES_S = 0.5
"""Shorter phases hold too few samples of CPU time to say how many cores were busy."""

SAMPLED = "process-tree-sampled"
TO_EXIT, TO_STOP = "spawn-to-exit", "spawn-to-stop-mark"

WALL = MetricSpec(
    name="wall_s",
    title="Wall Time",
    unit="s",
    better="lower",
    meaning="process spawn → exit, or the line at which parity ends a process that would run on",
    definitions=(
        Definition(TO_EXIT, "from the spawn to the exit of the process"),
        Definition(TO_STOP, "from the spawn to the line at which parity ends the process, which would have run on"),
    ),
    scale="ratio",
    shown="measured",
    depends_on_prompt=True,
    depends_on_count=True,
)
PEAK_RSS = MetricSpec(
    name="peak_rss_bytes",
    title="Peak Memory",
    unit="bytes",
    better="lower",
    meaning="highest resident memory of the process tree",
    definitions=(Definition(SAMPLED, "the highest sample of the resident memory of all processes together"),),
    scale="ratio",
    shown="always",
    depends_on_prompt=True,
    depends_on_count=True,
)
CPU = MetricSpec(
    name="cpu_s",
    title="CPU Time",
    unit="s",
    better="lower",
    meaning="user and system time of the process tree",
    definitions=(Definition("process-tree", "CPU time of all processes together, as the operating system reports it"),),
    scale="ratio",
    shown="measured",
    depends_on_prompt=True,
    depends_on_count=True,
)
LOAD_CORES = MetricSpec(
    name="load_cores",
    title="Cores in Load",
    unit="cores",
    better=None,
    meaning="CPU time ÷ elapsed time while the model loads",
    definitions=(Definition(SAMPLED, "from samples of the process tree's CPU time between spawn and ready"),),
    scale="difference",
    shown="measured",
    depends_on_prompt=False,
    depends_on_count=False,
)
GEN_CORES = MetricSpec(
    name="gen_cores",
    title="Cores in Generation",
    unit="cores",
    better=None,
    meaning="CPU time ÷ elapsed time while tokens are generated",
    definitions=(Definition(SAMPLED, "from samples of the process tree's CPU time between t1 and tN"),),
    scale="difference",
    shown="measured",
    depends_on_prompt=True,
    depends_on_count=False,
)
METRICS = (WALL, PEAK_RSS, CPU, LOAD_CORES, GEN_CORES)


def measure(timeline: Timeline) -> Iterator[Measurement]:
    """What the system accounts to one trial's process tree."""
    end = timeline.transcript.end
    definition = TO_STOP if end is not None and end.by == "stop" else TO_EXIT
    yield WALL.span(definition, timeline.spawned, timeline.ended, "its spawn", "its end")
    yield (
        PEAK_RSS.value(end.peak_rss_bytes, SAMPLED)
        if end is not None and end.peak_rss_bytes
        else PEAK_RSS.absent("the process ended before parity could read its memory", SAMPLED)
    )
    yield (
        CPU.value(end.cpu_s, "process-tree")
        if end is not None and end.cpu_s is not None
        else CPU.absent("the process ended before parity could read its CPU time", "process-tree")
    )
    tokens = timeline.tokens
    yield _cores(LOAD_CORES, timeline, timeline.spawned, timeline.phase("ready", "end"))
    yield _cores(GEN_CORES, timeline, tokens[0].t_ns if tokens else None, tokens[-1].t_ns if tokens else None)


def _cores(metric: MetricSpec, timeline: Timeline, start: int | None, end: int | None) -> Measurement:
    """Cores busy between two instants: CPU time of the tree ÷ elapsed time, from its samples."""
    if start is None or end is None:
        return metric.absent("the program did not show this phase", SAMPLED)
    if (end - start) * NS < SHORTEST_FOR_CORES_S:
        return metric.absent(f"the phase is shorter than {SHORTEST_FOR_CORES_S} s", SAMPLED)
    inside = [s for s in timeline.transcript.samples if start <= s.t_ns <= end]
    if len(inside) < 2 or inside[-1].t_ns == inside[0].t_ns:
        return metric.absent("fewer than two samples of CPU time fall into the phase", SAMPLED)
    return metric.value(_rate(inside), SAMPLED, "derived")


def _rate(samples: Sequence[Sample]) -> float:
    return (samples[-1].cpu_s - samples[0].cpu_s) / ((samples[-1].t_ns - samples[0].t_ns) * NS)
