"""The maths, against known values and by simulation of what an interval promises."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity import stats
from parity.stats import looks as stats_looks

POSITIVE = st.lists(st.floats(min_value=1e-6, max_value=1e9), min_size=2, max_size=30)


def test_the_interval_of_a_known_sample_is_student_t() -> None:
    # ln values 0, 1, 2: mean 1, deviation 1, t(2, 0.975) = 4.302653.
    found = stats.geometric_mean([1.0, math.e, math.e**2])
    half = 4.30265272991 / math.sqrt(3)
    assert found.centre == pytest.approx(math.e)
    assert found.low == pytest.approx(math.exp(1 - half))
    assert found.high == pytest.approx(math.exp(1 + half))


def test_the_interval_of_a_mean_of_differences_is_student_t() -> None:
    # Differences 0, 1, 2: mean 1, deviation 1.
    found = stats.paired_difference([1.0, 0.0, 2.0], [1.0, -1.0, 0.0])
    half = 4.30265272991 / math.sqrt(3)
    assert (found.centre, found.low, found.high) == (1.0, pytest.approx(1 - half), pytest.approx(1 + half))
    assert stats.arithmetic_mean([0.0]) == stats.Estimate(0.0, None, None)
    with pytest.raises(ValueError, match="at least one"):
        stats.arithmetic_mean([])


def test_one_value_has_a_centre_and_no_interval() -> None:
    assert stats.geometric_mean([3.0]) == stats.Estimate(pytest.approx(3.0), None, None)


@pytest.mark.parametrize("values", [[], [0.0, 1.0], [-1.0]])
def test_what_has_no_logarithm_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="positive"):
        stats.geometric_mean(values)


def test_rounds_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        stats.paired_ratio([1.0, 2.0], [1.0])


@given(POSITIVE)
def test_the_centre_lies_within_its_interval_and_among_the_values(values: list[float]) -> None:
    found = stats.geometric_mean(values)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.centre * (1 + 1e-9)
    assert found.centre <= found.high * (1 + 1e-9)
    assert min(values) * (1 - 1e-9) <= found.centre <= max(values) * (1 + 1e-9)


@given(POSITIVE, st.floats(min_value=0.01, max_value=100))
def test_a_drift_common_to_both_sides_cancels(values: list[float], factor: float) -> None:
    drifted = stats.paired_ratio([factor * v for v in values], values)
    assert drifted.centre == pytest.approx(factor)
    assert drifted.low == pytest.approx(factor / stats.ONCE.margin(len(values)))


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    draw = random.Random(7)
    runs = 2000
    inside = 0
    for _ in range(runs):
        mean = stats.geometric_mean([draw.lognormvariate(1.0, 0.1) for _ in range(8)])
        assert mean.low is not None
        assert mean.high is not None
        inside += mean.low <= math.exp(1.0) <= mean.high
    # 95 % of 2000 with a standard error of 0.5 %: six errors either way.
    assert 0.92 < inside / runs < 0.98


def test_a_confidence_sequence_holds_the_truth_after_every_round_at_once() -> None:
    draw, looks, runs = random.Random(7), stats.Looks(20), 2000
    below = above = 0
    for _ in range(runs):
        values = [draw.lognormvariate(0.0, 0.1) for _ in range(looks.last)]
        found = [stats.geometric_mean(values[:n], looks) for n in looks.among(looks.last)]
        below += any(e.high is not None and e.high < 1 for e in found)
        above += any(e.low is not None and e.low > 1 for e in found)
    # Student's interval of 95 %, looked at as often, is wrong on one side in about 9 %.
    assert 0 < below / runs < 0.025
    assert 0 < above / runs < 0.025


def test_the_confidence_sequence_is_the_set_that_ville_s_inequality_leaves() -> None:
    # Of the definition, without the closed form: the ends are where the likelihood ratio is 1 ÷ α.
    values, c2, alpha = [0.3, -0.1, 0.4, 0.2, 0.1, 0.6], stats_looks.MIXTURE, 0.05
    n = len(values)
    mean = sum(values) / n
    deviation = math.sqrt(sum((x - mean) ** 2 for x in values) / n)
    for end in (1, -1):
        shifted = [x - mean - end * stats.Looks(20).multiplier(n, alpha) * deviation for x in values]
        squares, total = sum(x * x for x in shifted), sum(shifted)
        ratio = math.sqrt(c2 / (n + c2)) * (squares / (squares - total**2 / (n + c2))) ** (n / 2)
        assert ratio == pytest.approx(1 / alpha)


def test_values_beyond_all_measure_have_an_interval_that_floats_can_hold() -> None:
    found = stats.geometric_mean([1e-300, 1e300])
    assert found.high is not None
    assert math.isfinite(found.high)
    assert found.centre == pytest.approx(1.0)


def test_quantiles_interpolate_between_order_statistics() -> None:
    assert stats.quantile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.5
    assert stats.quantile([1.0, 2.0, 3.0, 4.0, 5.0], 0.95) == pytest.approx(4.8)
    assert stats.quantile([7.0], 0.95) == 7.0


def test_the_ratio_of_rates_from_differences_is_that_of_the_mean_differences() -> None:
    ours, theirs = [1 / 2.0, 1 / 3.0, 1 / 4.0], [1 / 1.0, 1 / 1.5, 1 / 2.0]
    found = stats.ratio_of_spans(ours, theirs)
    assert found.centre == pytest.approx(0.5)
    # Every round has the same ratio, so that nothing is uncertain.
    assert (found.low, found.high) == (pytest.approx(0.5), pytest.approx(0.5))


def test_fieller_s_interval_holds_the_ratios_for_which_the_mean_may_be_zero() -> None:
    draw = random.Random(4)
    mine, reference = ([draw.gauss(mean, 0.1) for _ in range(9)] for mean in (2.0, 1.5))
    found = stats.ratio_of_spans([1 / x for x in mine], [1 / x for x in reference])
    for end in (found.low, found.high):
        assert end is not None
        mean = stats.arithmetic_mean([d - end * n for n, d in zip(mine, reference, strict=True)])
        assert mean.low is not None
        assert mean.high is not None
        assert min(abs(mean.low), abs(mean.high)) == pytest.approx(0.0, abs=1e-9)


def test_differences_too_rough_for_a_bound_have_no_interval() -> None:
    assert stats.ratio_of_spans([1 / 0.1, 1 / 4.0, 1 / 0.2], [1.0, 1.0, 1.0]).high is None
    with pytest.raises(ValueError, match="positive"):
        stats.ratio_of_spans([0.0, 1.0], [1.0, 1.0])


@given(POSITIVE)
def test_a_rate_over_all_spans_is_the_harmonic_mean(values: list[float]) -> None:
    found = stats.ratio_of_spans(values, [1.0] * len(values))
    assert found.centre == pytest.approx(len(values) / math.fsum(1 / v for v in values))
