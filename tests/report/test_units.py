"""How numbers are written."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.units import (
    format_delta,
    format_difference,
    format_nats,
    format_ratio,
    format_times,
    format_value,
    format_words,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.36, "s", "0.36 s"),
        (93.87, "token/s", "93.87 t/s"),
        (0.0042, "s", "0.0042 s"),
        (0.0999, "s", "0.10 s"),
        (0.0, "s", "0.00 s"),
        (3e-12, "s", "3.0e-12 s"),
        (1234.567, "s", "1234.57 s"),
        (49.99999999999999, "tokens", "50 tokens"),
        (49.5, "tokens", "49.50 tokens"),
        (1.981, "cores", "1.98 cores"),
        (512.0, "bytes", "512 B"),
        (1.5 * 1024**3, "bytes", "1.50 GiB"),
        (1023.96 * 1024, "bytes", "1.00 MiB"),
        (135.25 * 1024**2, "bytes", "135.2 MiB"),
        (7.0, "", "7.00"),
    ],
)
def test_value_is_written_with_its_unit(value: float, unit: str, text: str) -> None:
    assert format_value(value, unit) == text


def test_words_spell_the_unit_out_where_the_page_does() -> None:
    assert format_words(1.78, "s") == "1.78 seconds"
    assert format_words(93.87, "token/s") == "93.87 tokens/s"
    assert format_words(512.0, "bytes") == "512 B"


def test_delta_is_difference_ratio_and_interval() -> None:
    assert format_delta(1.42, "s", 3.94, (3.71, 4.22)) == "+1.42 s (3.9× [3.7, 4.2])"
    assert format_delta(-4.1, "token/s", 0.956, (0.941, 0.979)) == "-4.10 t/s (0.96× [0.94, 0.98])"


def test_interval_keeps_the_decimals_of_its_ratio_or_more() -> None:
    assert format_ratio(1.97, (1.93, 2.02)) == "1.97× [1.93, 2.02]"
    assert format_ratio(250.4, (0.94, 300.0)) == "250× [0.94, 300]"
    assert format_ratio(0.0123, (0.004, 0.2)) == "0.012× [0.0040, 0.200]"


def test_an_end_far_from_its_ratio_is_written_as_a_power() -> None:
    assert format_ratio(0.0432, (7.89e-305, 0.141)) == "0.043× [7.9e-305, 0.141]"
    assert format_ratio(0.9, (0.000031, 2.5e6)) == "0.90× [0.000031, 2.5e+06]"


def test_ratio_without_interval_says_so() -> None:
    assert format_ratio(0.5, None) == "0.50×, no interval"


def test_difference_of_bytes_is_scaled_whatever_its_sign() -> None:
    assert format_difference(-3 * 1024**2, "bytes") == "-3.00 MiB"
    assert format_difference(-0.0, "s") == "+0.00 s"


@given(FINITE, st.sampled_from(["s", "token/s", "cores", "bytes"]))
def test_nonzero_value_is_never_written_as_zero(value: float, unit: str) -> None:
    digits = re.match(r"[-+]?([\d.]+)", format_difference(value, unit))
    assert digits is not None
    rounds_to_zero = abs(value) < 0.005 if unit == "bytes" else value == 0
    assert (float(digits.group(1)) == 0) == rounds_to_zero


@given(FINITE.filter(lambda value: value > 0))
def test_value_is_written_to_within_five_percent(value: float) -> None:
    written = float(format_value(value, "s").removesuffix(" s"))
    assert written == pytest.approx(value, rel=0.051)


@pytest.mark.parametrize(
    ("nats", "text"),
    [(0.0, "0"), (3.3e-13, "below 1e-6"), (9.9e-7, "below 1e-6"), (6e-6, "6e-06"), (0.0361, "0.036"), (8.39, "8.4")],
)
def test_nats_below_what_is_printed_are_no_figure(nats: float, text: str) -> None:
    assert format_nats(nats) == text


@pytest.mark.parametrize(
    ("times", "text"),
    [
        *((0.0, "0"), (7.1e-6, "below 0.001"), (0.001, "0.001"), (0.0712, "0.071"), (17.4, "17")),
        *((123.4, "123"), (999.0, "999"), (1300.0, "over 1,000"), (2.9e299, "over 1,000")),
    ],
)
def test_multiples_far_from_one_are_bounds(times: float, text: str) -> None:
    assert format_times(times) == text
