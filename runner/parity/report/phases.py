"""In which phase of a trial an implementation loses its time, as far as both sides were measured.

A share that no phase measures is named and bounded: it may hold the largest part of a difference.
"""

from parity.report.delta import MISSING, bound_of
from parity.report.index import CellResults, Pair
from parity.units import format_difference, format_value

_CORES = {"loading": "load_cores", "decoding": "gen_cores"}
"""Phase → the metric of the CPU cores used in it, for phases that have one."""


def phase_lines(pair: Pair) -> tuple[list[str], list[str]]:
    """What is known of where the difference lies, and the phases of which nothing is."""
    differences = {
        "loading": _time_difference(pair, "load_s"),
        "prefill": _time_difference(pair, "ttft_s"),
        "decoding": _decode_difference(pair),
    }
    known = {phase: seconds for phase, seconds in differences.items() if seconds is not None}
    unknown = [phase for phase, seconds in differences.items() if seconds is None]
    rest = _rest(pair, known, unknown) if unknown else None
    if rest is not None:
        known[rest[0]] = rest[1]
    if not known:
        return [], unknown
    listed = ", ".join(f"{phase} {format_difference(seconds, 's')}" for phase, seconds in known.items())
    largest = max(known, key=lambda phase: known[phase])
    unmeasured = f"{' and '.join(unknown)} {'was' if len(unknown) == 1 else 'were'} not measured by itself"
    if known[largest] <= 0:
        return [f"no phase that was measured on both sides is slower ({listed})"], unknown
    if unknown and rest is None:
        lines = [f"of the phases measured on both sides, {largest} differs most ({listed})"]
        lines.append(f"{unmeasured}, and may differ by more")
    else:
        lines = [f"{largest} accounts for the largest part of the difference ({listed})"]
        lines += [f"{rest[0]} is {rest[2]}: {unmeasured}"] if rest is not None else []
    if largest in _CORES:
        cores = ", ".join(f"{side.title} {_cores(side, _CORES[largest])}" for side in reversed(pair.sides))
        lines.append(f"CPU cores used during {largest}: {cores}")
    elif largest in differences:
        unknown.append(f"CPU cores used during {largest}")
    return lines, unknown


def _rest(pair: Pair, known: dict[str, float], unknown: list[str]) -> tuple[str, float, str] | None:
    """What no phase measures: its name, the difference in s, and what it is computed from. None where the sides have
    no time in common that holds it."""
    total = _time_difference(pair, "total_s")
    decoding = _decode_seconds(pair)
    if "prefill" in unknown and total is not None and decoding is not None:
        return "prefill with other work", total - (decoding[0] - decoding[1]), "total time less decoding"
    whole = _time_difference(pair, "wall_s")
    if whole is None:
        return None
    measured = f"wall time less {' and '.join(known)}" if known else "all of the wall time"
    return f"{' and '.join(unknown)} with other work", whole - sum(known.values()), measured


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


def _decode_seconds(pair: Pair) -> tuple[float, float] | None:
    """How long each side decoded the tokens that it generated, from its rate."""
    rates, counts = _values(pair, "gen_tps"), _values(pair, "generated_tokens")
    if rates is None or counts is None:
        return None
    return (counts[0] - 1) / rates[0], (counts[1] - 1) / rates[1]


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
    if comparison is not None and comparison.value is not None and comparison.baseline_value is not None:
        return comparison.value, comparison.baseline_value
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
