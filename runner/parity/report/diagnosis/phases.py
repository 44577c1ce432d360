"""In which phase of a trial an implementation loses its time, as far as both sides were measured.

A share that no phase measures is named and bounded: it may hold the largest part of a difference.
"""

from dataclasses import dataclass

from parity.reading.dictionary import only_a_bound
from parity.records import Comparison, Evidence, Finding
from parity.report.diagnosis.lines import TITLES
from parity.report.diagnosis.sides import DECISIVE_SHARE
from parity.report.index import Pair
from parity.units import format_difference

_METRICS = {"loading": "load_s", "prefill": "ttft_s", "decoding": "gen_tps"}
"""Phase → the metric that measures it."""


@dataclass(frozen=True)
class Rest:
    """What no phase measures: its name, the difference in s, what it is computed from, and the metric of that.
    `outside`: the phases that were not measured and are no part of it."""

    name: str
    seconds: float
    computed: str
    metric: str
    outside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Phases:
    """What is known of where the difference lies. `ordinary` and `unknown` are sentences and phases of which nothing
    is known."""

    finding: Finding | None
    ordinary: tuple[str, ...]
    unknown: tuple[str, ...]


def where_time_goes(pair: Pair) -> Phases:
    """The phase that accounts for the largest part of the difference, if it is slower beyond what rounds differ by."""
    differences = {
        "loading": _time_difference(pair, "load_s"),
        "prefill": _time_difference(pair, "ttft_s"),
        "decoding": _decode_difference(pair),
    }
    known = {phase: seconds for phase, seconds in differences.items() if seconds is not None}
    unknown = [phase for phase, seconds in differences.items() if seconds is None]
    rest = _rest(pair, known, unknown) if unknown else None
    if rest is not None:
        known[rest.name] = rest.seconds
    if not known:
        return Phases(None, (), tuple(unknown))
    shown = tuple(Evidence(what=phase, unit="s", difference=seconds) for phase, seconds in known.items())
    largest = max(known, key=lambda phase: known[phase])
    if known[largest] <= 0:
        listed = ", ".join(f"{phase} {format_difference(seconds, 's')}" for phase, seconds in known.items())
        return Phases(None, (f"no phase that was measured on both sides is slower ({listed})",), tuple(unknown))
    metric = rest.metric if rest is not None and largest == rest.name else _METRICS[largest]
    if not _is_slower(pair, metric):
        return Phases(
            None, (f"{largest}, which differs most, is not slower by more than its rounds differ",), tuple(unknown)
        )
    return Phases(_largest(largest, known, unknown, rest, shown), (), tuple(unknown))


def _largest(
    largest: str, known: dict[str, float], unknown: list[str], rest: Rest | None, shown: tuple[Evidence, ...]
) -> Finding:
    unmeasured = f"{' and '.join(unknown)} {'was' if len(unknown) == 1 else 'were'} not measured by itself"
    computed = f"{rest.name} is {rest.computed}: {unmeasured}" if rest is not None else None
    phase = next((phase for phase, title in TITLES.items() if title == largest), None)
    outside = unknown if rest is None else rest.outside
    if outside:
        may_differ = f"{' and '.join(outside)} may differ by more"
        return Finding(
            kind="phase",
            sentence=f"of the phases measured on both sides, {largest} differs most",
            phase=phase,
            evidence=shown,
            note=f"{computed}, and {may_differ}" if computed else f"{unmeasured}, and may differ by more",
        )
    return Finding(
        kind="phase",
        sentence=f"{largest} accounts for the largest part of the difference",
        phase=phase,
        evidence=shown,
        note=computed,
        decisive=known[largest] >= DECISIVE_SHARE * sum(seconds for seconds in known.values() if seconds > 0),
    )


def _is_slower(pair: Pair, metric: str) -> bool:
    """Whether the interval of a metric's ratio lies on the slow side of 1."""
    found = _comparison(pair, metric)
    if found is None or found.interval is None:
        return False
    return found.interval.high < 1 if metric == "gen_tps" else found.interval.low > 1


def _rest(pair: Pair, known: dict[str, float], unknown: list[str]) -> Rest | None:
    """None where the sides have no time in common that holds what no phase measures."""
    total, whole = _time_difference(pair, "total_s"), _time_difference(pair, "wall_s")
    decoding = _decode_seconds(pair)
    # The total time begins after loading, and holds nothing of it.
    outside = ("loading",) if "loading" in unknown else ()
    if "prefill" in unknown and total is not None and decoding is not None and not (outside and whole is not None):
        left = total - (decoding[0] - decoding[1])
        return Rest("prefill with other work", left, "total time less decoding", "total_s", outside)
    if whole is None:
        return None
    measured = f"wall time less {' and '.join(known)}" if known else "all of the wall time"
    return Rest(f"{' and '.join(unknown)} with other work", whole - sum(known.values()), measured, "wall_s")


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


def _comparison(pair: Pair, metric: str) -> Comparison | None:
    return pair.implementation.comparisons.get(metric) if pair.implementation is not None else None


def _values(pair: Pair, metric: str) -> tuple[float, float] | None:
    """Of implementation and baseline, by one definition that is no bound."""
    if pair.implementation is None:
        return None
    comparison = _comparison(pair, metric)
    if comparison is not None and not comparison.comparable:
        return None
    definition = comparison.definition if comparison else None
    if only_a_bound(metric, definition or ""):
        return None
    if comparison is not None and comparison.value is not None and comparison.baseline_value is not None:
        return comparison.value, comparison.baseline_value
    own = pair.implementation.summary(metric, definition)
    theirs = pair.baseline.summary(metric, definition)
    if own is None or theirs is None or own.definition != theirs.definition:
        return None
    return None if own.centre is None or theirs.centre is None else (own.centre, theirs.centre)
