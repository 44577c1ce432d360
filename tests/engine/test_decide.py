"""Properties of a verdict over rounds: they hold for any values, whatever these are."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity import stats
from parity.stats import Decision, Looks, decide

RATIOS = st.lists(st.floats(min_value=0.3, max_value=3.0), min_size=1, max_size=20)
BOUNDS = st.floats(min_value=0.4, max_value=2.5)
TWENTY = Looks(20)
LOOKS = st.sampled_from([TWENTY, Looks(20, fixed=True)])


def verdict(
    ratios: Sequence[float], low: float | None, looks: Looks = TWENTY, high: float | None = None, alpha: float = 0.05
) -> Decision:
    return decide(lambda n, alpha: stats.geometric_mean(ratios[:n], looks, alpha), len(ratios), looks, low, high, alpha)


@settings(deadline=None)
@given(RATIOS, BOUNDS, st.floats(min_value=1.0, max_value=2.0), LOOKS)
def test_a_stricter_bound_never_turns_into_a_better_verdict(
    ratios: list[float], low: float, factor: float, looks: Looks
) -> None:
    rank = {"FAIL": 0, None: 1, "PASS": 2}
    for count in range(1, len(ratios) + 1):
        # Of one look; over several, a bound that decides later can do so by other rounds.
        once = Looks(count, fixed=True) if looks.fixed else looks
        found = [_at_last_look(ratios[:count], bound, once) for bound in (low, low * factor)]
        assert rank[found[1]] <= rank[found[0]]


def _at_last_look(ratios: Sequence[float], low: float, looks: Looks) -> str | None:
    estimate = stats.geometric_mean(ratios, looks)
    if len(ratios) not in looks.among(len(ratios)):
        return None
    only_last = Looks(len(ratios), fixed=True)
    return decide(lambda n, alpha: estimate, len(ratios), only_last, low, None).verdict


@settings(deadline=None)
@given(RATIOS, BOUNDS, st.floats(min_value=1e-6, max_value=1e6), LOOKS)
def test_a_verdict_does_not_depend_on_units(ratios: list[float], low: float, unit: float, looks: Looks) -> None:
    estimate = verdict(ratios, low, looks).estimate
    if any(end is not None and abs(math.log(end / low)) < 1e-9 for end in (estimate.low, estimate.high)):
        return
    one, other = verdict(ratios, low, looks), verdict([r * unit for r in ratios], low * unit, looks)
    assert (one.verdict, one.rounds) == (other.verdict, other.rounds)
    assert other.estimate.centre == pytest.approx(one.estimate.centre * unit)


@settings(deadline=None)
@given(RATIOS, BOUNDS, LOOKS)
def test_what_passes_one_bound_never_passes_its_opposite(ratios: list[float], bound: float, looks: Looks) -> None:
    at_least, at_most = verdict(ratios, bound, looks), verdict(ratios, None, looks, high=bound)
    assert {at_least.verdict, at_most.verdict} in ({"PASS", "FAIL"}, {None})
    assert at_least.rounds == at_most.rounds


@settings(deadline=None)
@given(RATIOS, BOUNDS)
def test_a_verdict_stays_whatever_comes_later(ratios: list[float], low: float) -> None:
    first: str | None = None
    for count in range(1, len(ratios) + 1):
        found = verdict(ratios[:count], low).verdict
        assert first in (None, found)
        first = found


@settings(deadline=None)
@given(RATIOS, BOUNDS, LOOKS)
def test_no_verdict_of_fewer_rounds_than_the_least(ratios: list[float], low: float, looks: Looks) -> None:
    assert verdict(ratios[: stats.LEAST - 1], low, looks).verdict is None


@settings(deadline=None)
@given(RATIOS, BOUNDS, st.integers(1, 30))
def test_more_gates_make_no_verdict_fail_sooner_and_change_no_pass(ratios: list[float], low: float, gates: int) -> None:
    alone, among = verdict(ratios, low), verdict(ratios, low, alpha=min(stats.ALPHA, 2 * stats.family_tail(gates)))
    if among.verdict == "FAIL":
        assert alone.verdict == "FAIL"
        assert alone.rounds <= among.rounds
    if alone.verdict == "PASS":
        assert among.verdict == "PASS"


def test_later_rounds_that_contradict_a_verdict_are_named() -> None:
    found = verdict([1.5] * 5 + [0.1] * 15, 0.8)
    assert (found.verdict, found.rounds) == ("PASS", 5)
    assert found.contradicted is not None
    assert found.contradicted > 5


def test_few_rounds_need_a_margin_and_more_do_not() -> None:
    assert verdict([0.9] * 7, 0.8).verdict is None
    full = verdict([0.9] * 8, 0.8)
    assert (full.verdict, full.rounds) == ("PASS", 8)
    assert full.estimate.low == pytest.approx(0.9)
    assert verdict([1.01] * 5, 0.8).verdict == "PASS"


def test_the_number_of_rounds_that_would_decide_is_where_they_do() -> None:
    looks = Looks(200)
    ratios = [0.85, 0.95] * 100
    needed = stats.rounds_needed(stats.geometric_mean(ratios[:8], looks), 8, looks, 0.85, None)
    assert needed is not None
    assert verdict(ratios, 0.85, looks).rounds == pytest.approx(needed, abs=2)
    assert stats.rounds_needed(stats.geometric_mean([0.8, 0.8], looks), 2, looks, 0.8, None) is None


def test_no_number_of_rounds_decides_where_the_interval_is_widened_up_to_the_bound() -> None:
    looks = Looks(200)
    for widen, decides in ((0.02, True), (0.06, False)):
        estimate = stats.geometric_mean([0.85, 0.86] * 4, looks, widen=widen)
        assert (stats.rounds_needed(estimate, 8, looks, 0.81, None) is not None) == decides
