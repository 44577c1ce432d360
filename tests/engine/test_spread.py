"""A runtime's own spread: without what the machine did to the whole round, and with odd rounds named."""

import math
import random

import pytest

from parity.stats.oddities import outliers, two_modes
from parity.stats.spread import Series, own_spread, residuals
from parity.stats.trend import fit_trend

ROUNDS = 20
TIMES = tuple(float(k) for k in range(ROUNDS))


def series(draw: random.Random, own: float, others: float | None, shared: float = 0.0, drift: float = 0.0) -> Series:
    """Logarithms: a sine of the given height, noise of the whole round, and noise of each side."""
    machine = [drift * math.sin(2 * math.pi * k / ROUNDS) + draw.gauss(0, shared) for k in range(ROUNDS)]
    mine = tuple(m + draw.gauss(0, own) for m in machine)
    if others is None:
        return Series(mine, TIMES, None, None)
    return Series(mine, TIMES, tuple(m + draw.gauss(0, others) for m in machine), TIMES)


@pytest.mark.parametrize(("shared", "drift"), [(0.0, 0.0), (0.0, 0.15), (0.1, 0.0)])
@pytest.mark.parametrize("others", [0.02, 0.05])
def test_the_interval_holds_the_truth_whatever_the_machine_does(shared: float, drift: float, others: float) -> None:
    draw, runs, own = random.Random(5), 150, 0.08
    truth = math.sqrt(math.expm1(own**2))
    found = [own_spread(series(draw, own, others, shared, drift), 0.05, 0.05) for _ in range(runs)]
    assert sum(one.high < truth for one in found) / runs < 0.12
    assert sum(one.low > truth for one in found) / runs < 0.12
    assert sum(one.cv for one in found) / runs == pytest.approx(truth, rel=0.25)


def test_without_others_the_interval_is_chi_square() -> None:
    # ln values 0 to 4: variance 2.5 with 4 degrees; chi-square(4) quantiles 0.484419 and 11.143287.
    found = own_spread(Series((0.0, 0.01, 0.02, 0.03, 0.04), TIMES[:5], None, None), 0.025, 0.025)
    assert found.low == pytest.approx(math.sqrt(math.expm1(0.00025 * 4 / 11.14328678)))
    assert found.high == pytest.approx(math.sqrt(math.expm1(0.00025 * 4 / 0.4844185571)))
    assert found.degrees == 4


def test_a_drift_of_the_machine_is_taken_off_and_one_of_the_runtime_alone_is_not() -> None:
    draw = random.Random(1)
    line = [-0.02 * k for k in range(ROUNDS)]
    noise = [draw.gauss(0, 0.01) for _ in range(ROUNDS)]
    calm = tuple(draw.gauss(0, 0.01) for _ in range(ROUNDS))
    drifting = tuple(a + b for a, b in zip(line, noise, strict=True))
    reference = tuple(a + b for a, b in zip(line, calm, strict=True))
    both = own_spread(Series(drifting, TIMES, reference, TIMES), 0.025, 0.025)
    alone = own_spread(Series(drifting, TIMES, calm, TIMES), 0.025, 0.025)
    assert both.cv < 0.02
    assert both.drift
    assert alone.cv > 0.08
    assert not alone.drift


def test_the_trend_is_the_one_that_the_values_show() -> None:
    draw = random.Random(2)
    noise = [draw.gauss(0, 0.01) for _ in range(ROUNDS)]
    assert fit_trend(TIMES, noise) == (0, None)
    assert fit_trend(TIMES, [0.02 * k + e for k, e in zip(TIMES, noise, strict=True)]) == (1, None)
    degree, frequency = fit_trend(
        TIMES, [0.2 * math.sin(2 * math.pi * k / 10) + e for k, e in zip(TIMES, noise, strict=True)]
    )
    assert degree == 1
    assert frequency == pytest.approx(0.1, abs=0.013)


def test_at_most_one_round_in_ten_is_an_outlier() -> None:
    draw = random.Random(3)
    values = [draw.gauss(0, 0.02) for _ in range(ROUNDS)]
    assert outliers(values) == ()
    values[7] = 0.7
    assert outliers(values) == (7,)
    values[3] = values[11] = -0.7
    assert len(outliers(values)) <= 2
    assert outliers([0.0, 0.0, 5.0]) == ()


def test_two_modes_are_found_where_there_are_two() -> None:
    draw = random.Random(4)
    modes = two_modes([draw.gauss(0, 0.02) + (math.log(1.5) if k % 3 == 0 else 0) for k in range(12)])
    assert modes is not None
    assert (modes.fewer, modes.more) == (4, 8)
    assert math.exp(modes.apart) == pytest.approx(1.5, rel=0.03)
    assert sum(two_modes([draw.gauss(0, 1) for _ in range(12)]) is not None for _ in range(300)) <= 6
    assert two_modes([1.0] * 12) is None


def test_what_is_left_of_a_series_has_the_degrees_that_the_trend_leaves() -> None:
    draw = random.Random(6)
    left = residuals(series(draw, 0.02, 0.02, drift=0.2))
    assert left.degrees == ROUNDS - 4
    assert sum(left.own) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("own", "shared", "others"), [(0.05, 0.2, 0.2), (0.095, 0.1, 0.1), (0.05, 0.3, 0.3)], ids=str)
def test_what_the_machine_does_from_round_to_round_is_not_charged_to_the_runtime(
    own: float, shared: float, others: float
) -> None:
    draw, runs = random.Random(8), 200
    found = [own_spread(series(draw, own, others, shared), 0.025, 0.05) for _ in range(runs)]
    assert sum(one.low > 0.10 for one in found) / runs <= 0.05


def test_a_large_spread_beside_steady_others_is_the_runtimes_own() -> None:
    draw, runs = random.Random(9), 100
    found = [own_spread(series(draw, 0.2, 0.05, drift=0.15), 0.025, 0.05) for _ in range(runs)]
    assert sum(one.low > 0.10 for one in found) / runs >= 0.95
