"""The search for the shortest sequence, and the first position of scores that lie apart."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.outputs.apart import first_apart, next_length
from parity.records import Scored, Span, Tolerance


def searched(shows: Callable[[int], bool], whole: int) -> tuple[int, list[int]]:
    """The shortest length that was found, and all that were tried, in order."""
    tried: dict[int, bool] = {}
    while (length := next_length(tried, whole)) is not None:
        assert length not in tried
        assert 2 <= length < whole
        tried[length] = shows(length)
    return min((n for n, shown in tried.items() if shown), default=whole), list(tried)


@given(st.integers(2, 3000), st.integers(2, 3000))
def test_the_shortest_is_found_where_longer_ones_show_it_too(least: int, whole: int) -> None:
    found, tried = searched(lambda length: length >= least, whole)
    assert found == min(least, whole)
    assert len(tried) <= 2 * whole.bit_length()


@given(st.sets(st.integers(2, 200)), st.integers(2, 200))
def test_what_is_found_shows_it_and_the_next_shorter_one_does_not(showing: set[int], whole: int) -> None:
    """Also where a fault shows with few ids and not with more."""
    found, tried = searched(showing.__contains__, whole)
    assert found == whole or found in showing
    assert found == 2 or (found - 1 in tried and found - 1 not in showing)


def test_lengths_double_and_then_halve() -> None:
    assert searched(lambda length: length >= 11, 100) == (11, [2, 4, 8, 16, 12, 10, 11])


def scored(position: int, lost: float) -> Scored:
    """A likely id, 7, that lost so many nats of its log-probability."""
    return Scored(position=position, id=7, logprob=-0.1 - lost, logsumexp=0.0, top=((7, -0.1 - lost), (8, -3.0)))


def tolerance(allowed: float, blamed: float) -> Tolerance:
    """With these bounds for the 99th percentile."""
    spans = [Span(mean_kl=1.0, p99_kl=p99, delta=1.0) for p99 in (allowed, blamed)]
    return Tolerance(allowed=spans[0], blamed=spans[1], source="a test", floor=spans[0])


@pytest.mark.parametrize(
    ("lost", "position", "source"),
    [
        ([0.0, 0.05, 0.5, 1.0, 0.0], 3, "beyond which it is called drift"),
        ([0.0, 0.05, 0.2, 0.3, 0.0], 3, "that the tolerance allows"),
        ([0.01, 0.02, 0.03, 0.04, 0.03], 4, "no single position"),
    ],
)
def test_the_first_position_is_the_first_beyond_the_strictest_bound_that_any_crosses(
    lost: list[float], position: int, source: str
) -> None:
    theirs = [scored(k, 0.0) for k in range(1, 6)]
    ours = [scored(k, nats) for k, nats in enumerate(lost, start=1)]
    (one, other), bound = first_apart(theirs, ours, tolerance(0.1, 0.3))
    assert (one.position, other.position) == (position, position)
    assert source in bound.source
    assert 0 < bound.gone <= bound.shows
