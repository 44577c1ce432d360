"""Metrics by family: each family's module holds what its metrics are and how one trial is measured.

A new metric is a `MetricSpec` and its measurement in a family's module, and its id in `parity.records.metrics`, which
also says where reports show it. A new family is a module, named in `FAMILIES`.
"""

from collections.abc import Iterator
from typing import Protocol

from parity.reading.metrics import generation, load, process, prompt
from parity.reading.metrics.spec import MetricSpec
from parity.reading.timeline import Timeline
from parity.records import Measurement


class Family(Protocol):
    """A module of metrics that are measured together."""

    @property
    def METRICS(self) -> tuple[MetricSpec, ...]: ...  # noqa: N802 - it is the module's constant

    def measure(self, timeline: Timeline) -> Iterator[Measurement]: ...


FAMILIES: tuple[Family, ...] = (load, prompt, generation, process)
