"""From the events of one trial to its measurements, by the definitions of the metric dictionary. Pure.

Every metric of the dictionary that a trial could have is there: with a value, or with the reason why not.
"""

from collections.abc import Sequence

from parity.adapter.events import Event
from parity.models.pieces import Pieces
from parity.reading.dictionary import METRICS
from parity.reading.figures import reported
from parity.reading.metrics import FAMILIES
from parity.reading.timeline import CountTokens, Timeline
from parity.records import Measurement
from parity.transcript import Transcript

BUFFERED = "all output arrived at its exit: the program buffers its output, so that its marks show no instants"

OF_MARKS = (
    *("spawn-to-ready", "spawn-to-weights", "lm-load-to-ready", "first-token-mark", "first-chunk", "chunk-interval"),
    *("start-to-end", "start-to-text", "first-text", "prompt-to-text", "text-gaps"),
)
"""Definitions that rest on when a line of a program's output arrived."""


def measure(
    transcript: Transcript,
    events: Sequence[Event],
    count_tokens: CountTokens | None = None,
    figures_by: str | None = None,
    piece_of: Pieces | None = None,
) -> tuple[Measurement, ...]:
    """All measurements of a trial, in the order of the dictionary; of one that scores there are none. `count_tokens`
    counts the tokens of generated text, and `piece_of` says what each token writes: with both, programs that show
    tokens and those that show text have definitions in common. `figures_by`: see `Adapter.figures_by`."""
    job = transcript.head.job
    if job is not None and job.task == "score":
        return ()
    by = " ".join(filter(None, (job.adapter if job is not None else transcript.head.runtime, figures_by)))
    timeline = Timeline(transcript, events, count_tokens, piece_of)
    found = [_unless_buffered(m, timeline) for family in FAMILIES for m in family.measure(timeline)]
    order = {metric: k for k, metric in enumerate(METRICS)}
    return tuple(sorted([*found, *reported(events, by)], key=lambda m: order[m.metric]))


def _unless_buffered(measurement: Measurement, timeline: Timeline) -> Measurement:
    """Without its value where the marks that it rests on arrived together with the end of the output."""
    rests_on_marks = measurement.definition in OF_MARKS or measurement.metric == "load_cores"
    if measurement.value is None or not rests_on_marks or not timeline.arrived_at_once:
        return measurement
    return measurement.but(value=None, reason=BUFFERED, note=None)
