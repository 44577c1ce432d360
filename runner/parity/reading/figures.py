"""The figures that a runtime reports about itself, kept beside what parity measures."""

import difflib
from collections.abc import Iterator, Sequence

from parity.adapter.events import Event, RuntimeFigure
from parity.reading.dictionary import METRICS, REPORTED
from parity.records import Measurement
from parity.records.metrics import METRIC_NAMES


def own_definition(by: str, meaning: str) -> str:
    """The definition of a figure that a program reports about itself. `by`: whose figures they are, so that the same
    words about the figures of different programs are different definitions, and never one of parity's own."""
    return f"{REPORTED}:{by}:{meaning}"


def reported(events: Sequence[Event], by: str) -> Iterator[Measurement]:
    """A measurement for each figure. Its definition holds the runtime's own meaning, so only like is compared with
    like."""
    for event in events:
        if not isinstance(event, RuntimeFigure) or event.metric not in METRICS:
            continue
        metric, definition = METRICS[event.metric], own_definition(by, event.definition)
        if event.value is None:
            reason = f"the runtime printed {event.raw!r}" if event.raw else "the runtime printed no number"
            yield metric.absent(reason, definition, "reported")
        else:
            # A count is exact.
            resolution = None if metric.unit == "tokens" else event.resolution
            yield metric.value(event.value, definition, "reported", resolution=resolution)


def unknown(events: Sequence[Event]) -> Iterator[str]:
    """A warning for each metric that the runtime reports and the dictionary doesn't know."""
    reports = dict.fromkeys(event.metric for event in events if isinstance(event, RuntimeFigure))
    for name in reports:
        if name not in METRIC_NAMES:
            near = difflib.get_close_matches(name, METRIC_NAMES, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known metrics: {', '.join(METRIC_NAMES)}"
            yield f"reported a figure of the unknown metric {name!r}, which is left out; {hint}"
