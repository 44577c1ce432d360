"""The metric dictionary: every metric once, as code, reports and docs read it.

Instants: `t0` the request is accepted and prefill begins, `tk` token k is available. Counts: `P` prompt tokens, `N`
generated tokens, end token included.
"""

from parity.reading.metrics import FAMILIES
from parity.reading.metrics.spec import REPORTED, Definition, MetricSpec
from parity.records.metrics import METRIC_NAMES

__all__ = ["METRICS", "REPORTED", "Definition", "MetricSpec", "only_a_bound", "strictness"]

_SPECS = {spec.name: spec for family in FAMILIES for spec in family.METRICS}

METRICS: dict[str, MetricSpec] = {name: _SPECS.pop(name) for name in METRIC_NAMES}
"""Metric → what it is, in the order in which reports show them."""

assert not _SPECS, f"metrics without a place in METRIC_NAMES: {', '.join(_SPECS)}"


def strictness(metric: str, definition: str) -> int:
    """Rank of a definition, 0 the strictest; one that the dictionary doesn't list (a runtime's own) comes last."""
    listed = [entry.id for entry in METRICS[metric].definitions] if metric in METRICS else []
    return listed.index(definition) if definition in listed else len(listed)


def only_a_bound(metric: str, definition: str | None) -> str | None:
    """`lower` or `upper` where a definition gives no more than a bound of the metric; None of a metric or a definition
    that the dictionary doesn't know, too."""
    return (
        next((d.bound for d in METRICS[metric].definitions if d.id == definition), None) if metric in METRICS else None
    )
