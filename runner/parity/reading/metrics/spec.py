"""What a metric is: its unit, its meaning, the ways to measure it, and how it is compared and shown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from parity.records import Measurement

REPORTED = "runtime-report"
"""A figure that a runtime reports about itself has the definition `runtime-report:…`, in the runtime's own terms."""

NS = 1e-9

Scale = Literal["ratio", "difference", "agreement"]
"""How two sides of a metric are compared. `ratio`: positive values that vary by factors (rates, times, bytes).
`difference`: counts, where zero is a value like any other. `agreement`: outputs, which are equal or not."""


@dataclass(frozen=True)
class Definition:
    """One way to measure a metric. Values of two different definitions are never compared."""

    id: str
    sentence: str
    bound: Literal["lower", "upper"] | None = None
    """The value is only a bound of the metric: reports show it, and no gate accepts it."""
    row: str | None = None
    """Title of a row of its own: sides that have values by it are compared by it too, besides the strictest one."""


@dataclass(frozen=True, kw_only=True)
class MetricSpec:
    """One metric. Every field that decides how it is compared or shown has to be given."""

    name: str
    title: str
    unit: Literal["s", "token/s", "bytes", "cores", "tokens", "share"]
    better: Literal["lower", "higher"] | None
    """Which values are better; None for a fact that is neither good nor bad."""
    meaning: str
    definitions: tuple[Definition, ...]
    """Strictest first."""
    scale: Scale
    shown: Literal["headline", "always", "measured"]
    """Whether its row is in every table, in the headline of a page too, or only where a runtime has a value."""
    depends_on_prompt: bool
    """Two sides are comparable only if they ran the same prompt."""
    depends_on_count: bool
    """Two sides are comparable only if they generated the same number of tokens."""
    part: str | None = None
    """A metric that is a part of this one; a gate and a page name its share."""
    parts: tuple[str, ...] = ()
    """Metrics that are parts of this one, and are shown beneath it."""
    of_gaps: Callable[[Sequence[int]], float | None] | None = None
    """The metric from the gaps between consecutive tokens in ns, None where they are too few. Given for rates and gaps:
    two sides that generated different numbers of tokens are compared over the tokens that both have."""

    def absent(
        self, reason: str, definition: str, provenance: Literal["observed", "reported"] = "observed"
    ) -> Measurement:
        """A measurement without a value, and why there is none."""
        return _absent(self.name, self.unit, definition, provenance, reason)

    def value(
        self,
        value: float,
        definition: str,
        provenance: Literal["observed", "derived", "reported"] = "observed",
        note: str | None = None,
        resolution: float | None = None,
    ) -> Measurement:
        """A measurement with its value. `resolution`: half of the last digit of one that was printed."""
        return Measurement(
            metric=self.name,
            unit=self.unit,
            definition=definition,
            provenance=provenance,
            value=value,
            note=note,
            resolution=resolution,
        )

    def span(self, definition: str, start: int | None, end: int | None, starts: str, ends: str) -> Measurement:
        """The seconds between two instants in ns; absent where one is not known, or they are in the wrong order."""
        if start is None or end is None:
            return self.absent(f"the program did not show {starts if start is None else ends}", definition)
        if end <= start:
            return self.absent(f"{ends} does not come after {starts}", definition)
        return self.value((end - start) * NS, definition)


@lru_cache(maxsize=1024)
def _absent(
    metric: str, unit: str, definition: str, provenance: Literal["observed", "reported"], reason: str
) -> Measurement:
    """Shared by the trials of a run, most of which lack the same for the same reason."""
    return Measurement(metric=metric, unit=unit, definition=definition, provenance=provenance, reason=reason)


def token_stamps(sentence: str) -> Definition:
    """The definition of a metric that is computed from the instants at which the runtime chose the ids of its tokens.
    Tokens that are made of text are told from them by `parity.reading.arrivals`."""
    return Definition("token-stamps", sentence)
