"""The process: wall time, memory, CPU time, and the cores that were busy."""

from collections.abc import Iterator, Sequence

from parity.reading.metrics.spec import NS, Definition, MetricSpec
from parity.reading.timeline import NOT_OF_THE_TREE, Timeline
from parity.records import Measurement
from parity.transcript import Sample

SHORTEST_FOR_CORES_S = 0.5
"""Shorter phases hold too few samples of CPU time to say how many cores were busy."""

SAMPLED = "process-tree-sampled"
NVML = "nvml-sampled"
TO_EXIT, TO_STOP = "spawn-to-exit", "spawn-to-stop-mark"

WALL = MetricSpec(
    name="wall_s",
    title="Wall Time",
    unit="s",
    better="lower",
    meaning="process spawn → exit, or the line at which parity ends a process that would run on",
    definitions=(
        Definition(TO_EXIT, "from the spawn to the exit of the process, without its asides"),
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
    definitions=(
        Definition(
            SAMPLED,
            "the highest sample of the resident memory of all processes together, or the highest that the system knows "
            "of the first one; without asides",
        ),
    ),
    scale="ratio",
    shown="always",
    depends_on_prompt=True,
    depends_on_count=True,
)
PEAK_VRAM = MetricSpec(
    name="peak_vram_bytes",
    title="Peak GPU Memory",
    unit="bytes",
    better="lower",
    meaning="highest memory of the process tree on discrete GPUs",
    definitions=(
        Definition(NVML, "the highest sample of the memory that NVML shows for all processes together; without asides"),
    ),
    scale="ratio",
    shown="measured",
    depends_on_prompt=True,
    depends_on_count=True,
)
CPU = MetricSpec(
    name="cpu_s",
    title="CPU Time",
    unit="s",
    better="lower",
    meaning="user and system time of the process tree",
    definitions=(
        Definition(
            "process-tree", "CPU time of all processes together, as the operating system reports it; without asides"
        ),
    ),
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
METRICS = (WALL, PEAK_RSS, PEAK_VRAM, CPU, LOAD_CORES, GEN_CORES)


def measure(timeline: Timeline) -> Iterator[Measurement]:
    """What the system accounts to one trial's process tree."""
    if timeline.already_running:
        for metric in METRICS:
            yield metric.absent(NOT_OF_THE_TREE, metric.definitions[0].id)
        return
    end = timeline.transcript.end
    definition = TO_STOP if end is not None and end.by == "stop" else TO_EXIT
    yield WALL.span(definition, timeline.spawned, _less_asides(timeline), "its spawn", "its end")
    yield _peak_rss(timeline)
    yield _peak_vram(timeline)
    yield (
        CPU.value(max(0.0, end.cpu_s - sum(aside.cpu_s for aside in timeline.asides)), "process-tree")
        if end is not None and end.cpu_s is not None
        else CPU.absent("the process ended before parity could read its CPU time", "process-tree")
    )
    tokens = timeline.tokens
    yield _cores(LOAD_CORES, timeline, timeline.spawned, timeline.phase("ready", "end"))
    yield _cores(GEN_CORES, timeline, tokens[0].t_ns if tokens else None, tokens[-1].t_ns if tokens else None)


def _less_asides(timeline: Timeline) -> int | None:
    """When the process would have ended without its asides."""
    aside_ns = sum(aside.t_ns - aside.begin_ns for aside in timeline.asides)
    return None if timeline.ended is None else timeline.ended - aside_ns


def _peak_rss(timeline: Timeline) -> Measurement:
    """The highest memory; of a process with asides, the highest before the first of them."""
    end, asides = timeline.transcript.end, timeline.asides
    if end is None or not end.peak_rss_bytes:
        return PEAK_RSS.absent("the process ended before parity could read its memory", SAMPLED)
    if not asides:
        return PEAK_RSS.value(end.peak_rss_bytes, SAMPLED)
    sampled = [s.rss_bytes for s in _samples_of_the_answer(timeline)]
    return PEAK_RSS.value(min(end.peak_rss_bytes, max([asides[0].peak_rss_bytes, *sampled])), SAMPLED)


def _peak_vram(timeline: Timeline) -> Measurement:
    sampled = [s.vram_bytes for s in _samples_of_the_answer(timeline) if s.vram_bytes is not None]
    if sampled:
        return PEAK_VRAM.value(max(sampled), NVML)
    end = timeline.transcript.end
    return PEAK_VRAM.absent((end and end.vram_absent) or "no memory of a GPU was sampled", NVML)


def _samples_of_the_answer(timeline: Timeline) -> Sequence[Sample]:
    """Those before the first aside."""
    until = timeline.asides[0].begin_ns if timeline.asides else None
    return [s for s in timeline.transcript.samples if until is None or s.t_ns < until]


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
