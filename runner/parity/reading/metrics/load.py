"""How long the model takes to load, and the parts of that time."""

from collections.abc import Iterator

from parity.reading.metrics.spec import REPORTED, Definition, MetricSpec
from parity.reading.timeline import Timeline
from parity.records import Measurement

LOAD = MetricSpec(
    name="load_s",
    title="Model Load",
    unit="s",
    better="lower",
    meaning="process spawn → weights resident and tokenizer loaded",
    definitions=(Definition("spawn-to-ready", "from the spawn to the mark at which the program could take a prompt"),),
    scale="ratio",
    shown="headline",
    depends_on_prompt=False,
    depends_on_count=False,
    part="load_lm_s",
)
LOAD_WEIGHTS = MetricSpec(
    name="load_weights_s",
    title="Load to Weights",
    unit="s",
    better="lower",
    meaning="process spawn → weights resident; the tokenizer may not be loaded yet",
    definitions=(Definition("spawn-to-weights", "from the spawn to the mark at which the weights are resident"),),
    scale="ratio",
    shown="measured",
    depends_on_prompt=False,
    depends_on_count=False,
)
LOAD_LM = MetricSpec(
    name="load_lm_s",
    title="Load of the Language Model",
    unit="s",
    better="lower",
    meaning="the language model's part of `load_s`, in a program that loads other models first",
    definitions=(
        Definition("lm-load-to-ready", "from the mark at which the language model's load begins to the one at its end"),
    ),
    scale="ratio",
    shown="measured",
    depends_on_prompt=False,
    depends_on_count=False,
)
LOAD_HEADER = MetricSpec(
    name="load_header_s",
    title="Header Read",
    unit="s",
    better="lower",
    meaning="reading the file's header only; never compared with the load of a model",
    definitions=(Definition(REPORTED, "the figure that the runtime printed"),),
    scale="ratio",
    shown="measured",
    depends_on_prompt=False,
    depends_on_count=False,
)
METRICS = (LOAD, LOAD_WEIGHTS, LOAD_LM, LOAD_HEADER)


def measure(timeline: Timeline) -> Iterator[Measurement]:
    """The load of one trial. A load during which the program downloaded files is not one."""
    if timeline.phase("download", "begin") is not None:
        reason = "the program downloaded files in this trial"
        yield LOAD.absent(reason, "spawn-to-ready")
        yield LOAD_WEIGHTS.absent(reason, "spawn-to-weights")
        return
    spawned = timeline.spawned
    ready, weights = timeline.phase("ready", "end"), timeline.phase("weights", "end")
    yield LOAD.span("spawn-to-ready", spawned, ready, "its spawn", "when it was ready")
    yield LOAD_WEIGHTS.span("spawn-to-weights", spawned, weights, "its spawn", "when the weights were resident")
    begun = timeline.phase("lm-load", "begin")
    if begun is not None:
        loaded = timeline.phase("lm-load", "end")
        yield LOAD_LM.span("lm-load-to-ready", begun, loaded, "the load of the language model", "its end")
