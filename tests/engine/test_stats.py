"""The maths, against known values and by simulation of what an interval promises."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity import stats

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


def test_the_interval_of_a_coefficient_of_variation_is_chi_square() -> None:
    # n = 5: chi-square(4) quantiles 0.484419 and 11.143287.
    found = stats.coefficient_of_variation([9.0, 9.5, 10.0, 10.5, 11.0])
    cv = math.sqrt(0.625) / 10
    assert found.centre == pytest.approx(cv)
    assert found.low == pytest.approx(cv * math.sqrt(4 / 11.14328678))
    assert found.high == pytest.approx(cv * math.sqrt(4 / 0.4844185571))


def test_one_value_has_a_centre_and_no_interval() -> None:
    assert stats.geometric_mean([3.0]) == stats.Estimate(pytest.approx(3.0), None, None)
    assert stats.coefficient_of_variation([3.0]).high is None


@pytest.mark.parametrize("values", [[], [0.0, 1.0], [-1.0]])
def test_what_has_no_logarithm_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="positive"):
        stats.geometric_mean(values)
    with pytest.raises(ValueError, match="positive"):
        stats.coefficient_of_variation(values)


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
    assert drifted.low == pytest.approx(factor)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    draw = random.Random(7)
    runs = 2000
    inside_mean = inside_cv = 0
    for _ in range(runs):
        mean = stats.geometric_mean([draw.lognormvariate(1.0, 0.1) for _ in range(5)])
        assert mean.low is not None
        assert mean.high is not None
        inside_mean += mean.low <= math.exp(1.0) <= mean.high
        cv = stats.coefficient_of_variation([draw.gauss(100, 10) for _ in range(5)])
        assert cv.low is not None
        assert cv.high is not None
        inside_cv += cv.low <= 0.1 <= cv.high
    # 95 % of 2000 with a standard error of 0.5 %: six errors either way.
    assert 0.92 < inside_mean / runs < 0.98
    assert 0.92 < inside_cv / runs < 0.98


def test_values_beyond_all_measure_have_an_interval_that_floats_can_hold() -> None:
    found = stats.geometric_mean([1e-300, 1e300])
    assert found.high is not None
    assert math.isfinite(found.high)
    assert found.centre == pytest.approx(1.0)


def test_quantiles_interpolate_between_order_statistics() -> None:
    assert stats.quantile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.5
    assert stats.quantile([1.0, 2.0, 3.0, 4.0, 5.0], 0.95) == pytest.approx(4.8)
    assert stats.quantile([7.0], 0.95) == 7.0
