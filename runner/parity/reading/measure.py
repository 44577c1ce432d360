"""From the events of one trial to its measurements, by the definitions of the metric dictionary. Pure.

Every metric of the dictionary that a trial could have is there: with a value, or with the reason why not.
"""

from collections.abc import Sequence

from parity.adapter.events import Event
from parity.reading.dictionary import METRICS
from parity.reading.figures import reported
from parity.reading.metrics import FAMILIES
from parity.reading.timeline import CountTokens, Timeline
from parity.records import Measurement
from parity.transcript import Transcript


def measure(
    transcript: Transcript, events: Sequence[Event], count_tokens: CountTokens | None = None
) -> tuple[Measurement, ...]:
    """All measurements of a trial, in the order of the dictionary. `count_tokens` counts the tokens of generated text,
    for programs that show no tokens."""
    timeline = Timeline(transcript, events, count_tokens)
    found = [m for family in FAMILIES for m in family.measure(timeline)]
    order = {metric: k for k, metric in enumerate(METRICS)}
    return tuple(sorted([*found, *reported(events)], key=lambda m: order[m.metric]))
