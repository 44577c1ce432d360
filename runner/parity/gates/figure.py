"""The value by which a gate on a metric was judged, as it is written."""

from parity.reading.dictionary import METRICS
from parity.records import Interval
from parity.units import format_ratio, format_value


def figure(kind: str, metric: str | None, value: float, interval: Interval | None) -> str:
    """`0.96× [0.91, 1.01]`, `1.29 s [0.91 s, 1.85 s]`. `kind`: of the gate."""
    ends = None if interval is None else (interval.low, interval.high)
    if kind == "ratio":
        return format_ratio(value, ends)
    unit = "share" if kind == "consistency" else METRICS[metric].unit if metric in METRICS else ""
    shown = format_value(value, unit)
    return shown if ends is None else f"{shown} [{format_value(ends[0], unit)}, {format_value(ends[1], unit)}]"
