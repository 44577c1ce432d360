"""In which phase of a trial an implementation loses its time, as far as both sides were measured."""

import math

from parity.report.delta import MISSING, bound_of
from parity.report.index import CellResults, Pair
from parity.units import format_difference, format_value

_REST = "prefill with other work"
"""What is left of the total time where prefill was not measured by itself."""

_CORES = {"loading": "load_cores", "decoding": "gen_cores"}
"""Phase → the metric of the CPU cores used in it, for phases that have one."""


def phase_lines(pair: Pair) -> tuple[list[str], list[str]]:
    """What is known of where the difference lies, and the phases of which nothing is."""
    differences = {
        "loading": _time_difference(pair, "load_s"),
        "prefill": _time_difference(pair, "ttft_s"),
        "decoding": _decode_difference(pair),
    }
    unknown = [phase for phase, seconds in differences.items() if seconds is None]
    if unknown == ["prefill"]:
        differences |= {_REST: _rest_difference(pair, differences["decoding"])}
    known = {phase: seconds for phase, seconds in differences.items() if seconds is not None}
    if not known:
        return [], unknown
    listed = ", ".join(f"{phase} {format_difference(seconds, 's')}" for phase, seconds in known.items())
    largest = max(known, key=lambda phase: known[phase])
    if known[largest] <= 0:
        return [f"no phase that was measured on both sides is slower ({listed})"], unknown
    among = " among the phases measured on both sides" if unknown and _REST not in known else ""
    lines = [f"{largest} accounts for the largest part of the difference{among} ({listed})"]
    if largest == _REST:
        lines.append(f"{_REST} is total time less decoding; it was not measured by itself")
    elif largest in _CORES:
        cores = ", ".join(f"{side.title} {_cores(side, _CORES[largest])}" for side in reversed(pair.sides))
        lines.append(f"CPU cores used during {largest}: {cores}")
    else:
        unknown.append(f"CPU cores used during {largest}")
    return lines, unknown


def _time_difference(pair: Pair, metric: str) -> float | None:
    """Implementation − baseline in s; None unless both sides have the metric by one definition. A difference of mere
    bounds says nothing of a phase."""
    values = _values(pair, metric)
    return values[0] - values[1] if values else None


def _decode_difference(pair: Pair) -> float | None:
    """Of the times (N − 1) ÷ `gen_tps`, at the smaller of the two token counts."""
    rates, counts = _values(pair, "gen_tps"), _values(pair, "generated_tokens")
    if rates is None or counts is None:
        return None
    steps = min(counts) - 1
    return steps / rates[0] - steps / rates[1]


def _rest_difference(pair: Pair, decoding: float | None) -> float | None:
    """Of all that is neither loading nor decoding; None where the sides did not generate equally many tokens."""
    total, counts = _time_difference(pair, "total_s"), _values(pair, "generated_tokens")
    if total is None or decoding is None or counts is None or not math.isclose(*counts):
        return None
    return total - decoding


def _values(pair: Pair, metric: str) -> tuple[float, float] | None:
    """Of implementation and baseline, by one definition that is no bound."""
    if pair.implementation is None:
        return None
    comparison = pair.implementation.comparisons.get(metric)
    if comparison is not None and not comparison.comparable:
        return None
    definition = comparison.definition if comparison else None
    if bound_of(metric, definition):
        return None
    own = pair.implementation.summary(metric, definition)
    theirs = pair.baseline.summary(metric, definition)
    if own is None or theirs is None or own.definition != theirs.definition:
        return None
    return None if own.centre is None or theirs.centre is None else (own.centre, theirs.centre)


def _cores(side: CellResults, metric: str) -> str:
    found = side.summary(metric)
    if found is None or found.centre is None:
        return f"{MISSING} ({found.reason})" if found and found.reason else f"{MISSING} (not sampled)"
    return format_value(found.centre, found.unit)
