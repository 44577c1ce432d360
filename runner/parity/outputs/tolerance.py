"""What passes and what is called drift: multiples of what honest engines were measured to differ by, and what the other
runtimes of the run show. Pure.

A floor was measured on one model and one machine. So one and a half times of it passes, and only three times of it is
called drift; between the two nothing is decided.
"""

from collections.abc import Mapping, Sequence, Set

from parity.outputs.floors import ALIKE, Floor, of_largest
from parity.records import Distances, Span, Tolerance

PASSES = 1.5
BLAMED = 3.0
"""Multiples of a floor. Over texts of some hundred tokens, the mean varies by half and the largest more."""


def tolerance_of(
    floor: Floor,
    references: Mapping[tuple[str, str], Distances],
    positions: int,
    kin: Set[str] = frozenset(),
    compared: int | None = None,
    unknown: Sequence[Span] = (),
) -> Tolerance:
    """`positions`: how long the sequence is. `compared`: over how many of its positions both sides are, if not all.
    `unknown`: what sides that say little of themselves may differ by. `references`: how far each two of the other
    runtimes that scored the sequence lie apart. `kin`: those runtimes that are, or may be, the same engine as the
    judged one.

    Distances between two of them that are no drift by the default widen what passes. Larger ones don't: one of the two
    is at fault, and it is not known which, so that they raise what is called drift alone. Neither does a pair with one
    of the kin: a fault that it shares with the judged runtime must not excuse it. None narrow anything: two runtimes
    that compute alike lie closer together than honest ones that don't."""
    pairs = {pair: span_of(found) for pair, found in references.items()}
    longer = floor.over(positions)
    passes, drift = scaled(floor.span, PASSES), scaled(floor.span, BLAMED)
    honest = [span for pair, span in pairs.items() if kin.isdisjoint(pair) and multiple(span, drift) <= 1]
    allowed, said = largest_of([passes, *honest]), f"{PASSES:g} times the difference {floor.source}"
    if allowed != passes:
        said = f"the larger of {said}, and of that between other runtimes of this run on the same ids"
    farthest = max(pairs, key=lambda pair: multiple(pairs[pair], floor.span), default=None)
    return Tolerance(
        allowed=allowed,
        blamed=_of_few(scaled(largest_of([longer, *pairs.values(), *unknown]), BLAMED), compared or positions),
        source=said,
        floor=floor.span,
        references=largest_of(list(pairs.values())) if pairs else None,
        farthest=" and ".join(farthest) if farthest is not None else None,
    )


def tolerance_alike(floor: Span, *, exact: bool) -> Tolerance:
    """Of one engine that is set up alike on both sides: what different engines differ by passes nothing there, and
    excuses nothing either where the engine is `exact`. `floor`: the default for its numeric class."""
    span = min(of_largest(ALIKE), floor, key=lambda span: span.delta)
    source = f"{PASSES:g} times what one engine that is set up alike differs from itself by"
    return Tolerance(
        allowed=scaled(span, PASSES), blamed=scaled(span if exact else floor, BLAMED), source=source, floor=floor
    )


def multiple(found: Distances | Span, of: Span) -> float:
    """The largest of the figures in multiples of what is allowed."""
    span = span_of(found) if isinstance(found, Distances) else found
    return max(span.mean_kl / of.mean_kl, span.p99_kl / of.p99_kl, span.delta / of.delta)


def _of_few(blamed: Span, positions: int) -> Span:
    """A single position that is no drift by the bound of the 99th percentile adds up to that ÷ positions to the mean,
    and must not make it drift. Over hundreds of positions, that is little."""
    return blamed.but(mean_kl=blamed.mean_kl + blamed.p99_kl / positions)


def span_of(found: Distances) -> Span:
    return Span(mean_kl=found.mean_kl, p99_kl=found.p99_kl, delta=found.largest_delta)


def largest_of(spans: Sequence[Span]) -> Span:
    """The largest of each figure."""
    return Span(
        mean_kl=max(span.mean_kl for span in spans),
        p99_kl=max(span.p99_kl for span in spans),
        delta=max(span.delta for span in spans),
    )


def scaled(span: Span, factor: float) -> Span:
    return Span(mean_kl=span.mean_kl * factor, p99_kl=span.p99_kl * factor, delta=span.delta * factor)
