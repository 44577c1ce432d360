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
    parts=("load_import_s", "load_weights_s", "load_tokenizer_s", "load_lm_s"),
)
LOAD_IMPORT = MetricSpec(
    name="load_import_s",
    title="Load: Start and Imports",
    unit="s",
    better="lower",
    meaning="the part of `load_s` before the model is touched: the start of the interpreter and its imports",
    definitions=(Definition("spawn-to-import", "from the spawn to the mark at which imports are done"),),
    scale="ratio",
    shown="measured",
    depends_on_prompt=False,
    depends_on_count=False,
)
LOAD_TOKENIZER = MetricSpec(
    name="load_tokenizer_s",
    title="Load: Tokenizer",
    unit="s",
    better="lower",
    meaning="the part of `load_s` in which the tokenizer is loaded",
    definitions=(Definition("tokenizer-begin-to-end", "from the begin of its phase to its end"),),
    scale="ratio",
    shown="measured",
    depends_on_prompt=False,
    depends_on_count=False,
)
LOAD_WEIGHTS = MetricSpec(
    name="load_weights_s",
    title="Load: Weights",
    unit="s",
    better="lower",
    meaning="the part of `load_s` in which the weights are loaded, until they are resident",
    definitions=(
        Definition("weights-begin-to-end", "from the begin of its phase to its end"),
        Definition(
            "spawn-to-weights",
            "from the spawn to the mark at which the weights are resident, of a program that marks no begin: what the "
            "program does before it loads them is in it",
            bound="upper",
        ),
    ),
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
METRICS = (LOAD, LOAD_IMPORT, LOAD_WEIGHTS, LOAD_TOKENIZER, LOAD_LM, LOAD_HEADER)


def measure(timeline: Timeline) -> Iterator[Measurement]:
    """The load of one trial. A load during which the program downloaded files is not one."""
    reason = "what computes was running before this trial" if timeline.already_running else None
    if timeline.phase("download", "begin") is not None:
        reason = "the program downloaded files in this trial"
    if reason is not None:
        yield LOAD.absent(reason, "spawn-to-ready")
        yield LOAD_IMPORT.absent(reason, "spawn-to-import")
        yield LOAD_WEIGHTS.absent(reason, "weights-begin-to-end")
        yield LOAD_TOKENIZER.absent(reason, "tokenizer-begin-to-end")
        return
    spawned = timeline.spawned
    ready, weights = timeline.phase("ready", "end"), timeline.phase("weights", "end")
    yield LOAD.span("spawn-to-ready", spawned, ready, "its spawn", "when it was ready")
    imported = timeline.phase("import", "end")
    yield LOAD_IMPORT.span("spawn-to-import", spawned, imported, "its spawn", "when its imports were done")
    for metric, name in ((LOAD_WEIGHTS, "weights"), (LOAD_TOKENIZER, "tokenizer")):
        begin, end = timeline.phase(name, "begin"), timeline.phase(name, "end")
        definition = metric.definitions[0].id
        yield metric.span(definition, begin, end, f"the begin of its phase `{name}`", f"the end of its phase `{name}`")
    yield LOAD_WEIGHTS.span("spawn-to-weights", spawned, weights, "its spawn", "when the weights were resident")
    begun = timeline.phase("lm-load", "begin")
    if begun is not None:
        loaded = timeline.phase("lm-load", "end")
        yield LOAD_LM.span("lm-load-to-ready", begun, loaded, "the load of the language model", "its end")
