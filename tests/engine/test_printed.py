"""Numbers as programs print them: never a part of one, and with what they leave out."""

import re

import pytest

from parity.adapter import half_of_last_digit, longer_number, other_unit

DOCUMENTED = r"(?P<gen_tps>[0-9.]+) token/s"


def cut(pattern: str, line: str) -> str | None:
    match = re.search(pattern, line)
    assert match is not None
    return longer_number(match, "gen_tps")


@pytest.mark.parametrize(
    "number",
    [
        *("47,3", "1,234.5", "1.2e+03", "1.2E3", "1.2e-03", "1'234.5", "1’234.5", "1_234.5", "12,34,567.8"),
        *("1\u00a0234.5", "1\u202f234,5", "1 234.5", "12 345 678.9", "1.234,5", "-3.5", "\u22123.5", "1:02.5"),
    ],
)
def test_a_group_that_is_cut_out_of_a_number_is_found(number: str) -> None:
    longer = cut(DOCUMENTED, f"generated 40 tokens, {number} token/s")
    assert longer is not None
    assert longer.strip().endswith(number)


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (r"rate (?P<gen_tps>\d+)", "rate 47.3 token/s"),
        (r"rate (?P<gen_tps>[0-9.]+)", "rate 1.2e+03"),
        (r"rate (?P<gen_tps>[0-9.]+)", "rate 1.5k token/s"),
        (r"rate (?P<gen_tps>\d+)", "rate 1 234"),
        (r"rate.*(?P<gen_tps>\d+)", "rate 47"),
        (r"rate.*?,(?P<gen_tps>\d+) token/s", "rate 47,3 token/s"),
        (r"took (?P<gen_tps>[\d.]+)", "took 1:23.4"),
        (r"took \d+:(?P<gen_tps>[\d.]+)", "took 1:23.4"),
        (r"took (?P<gen_tps>[\d.]+)", "took 2m30s"),
        (r"(?P<gen_tps>[\d.]+)s", "took 2m30s"),
        (r"took (?P<gen_tps>[\d.]+)", "took 1h02m"),
        (r"took (?P<gen_tps>[\d.]+)", "took 2 min 30 s"),
        (r"took (?P<gen_tps>[\d.]+) s", "took 1 s 200 ms"),
        (r"rate (?P<gen_tps>[\d.]+)", "rate 1.2 k tokens/s"),
        (r"rate (?P<gen_tps>[\d.]+)", "rate 1.2kt/s"),
        (r"rate (?P<gen_tps>[\d.]+)", "rate 1.2 ktok/s"),
        (r"rate (?P<gen_tps>[\d.]+) k?tok/s", "rate 1.2 ktok/s"),
        (r"rate (?P<gen_tps>[\d.]+).*", "rate 1.2 µt/s"),
        (r"rate (?P<gen_tps>[\d.]+)", "rate 1.5×10^3"),
        (r"(?P<gen_tps>[\d.]+) token/s", "1.5×10^3 token/s"),
        (r"rate (?P<gen_tps>[\d.]+)", "rate 1.5×10³ token/s"),
        (r"rate (?P<gen_tps>[\d.]+)", "rate 10^3 token/s"),
        (r"rate (?P<gen_tps>[\d.]+)", "rate 3/2 token/s"),
        (r"(?P<gen_tps>\d+) token/s", "rate 3⁄2 token/s"),
        (r"rate (?P<gen_tps>\d+)", "rate 47٫3"),
        (r"rate (?P<gen_tps>\d+)", "rate 47⋅3"),
        (r"rate (?P<gen_tps>\d+)", "rate 1`000"),
        (r"(?P<gen_tps>[\d.]+) token/s", "~47.3±0.2 token/s"),
        (r"(?P<gen_tps>[\d.]+) token/s", "47.3 +/- 0.2 token/s"),
        (r"(?P<gen_tps>\d+) token/s", "rate 0x47 token/s"),
    ],
)
def test_a_group_that_ends_within_a_number_or_begins_late_in_one_is_found(pattern: str, line: str) -> None:
    assert cut(pattern, line) is not None


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (DOCUMENTED, "generated 40 tokens, 47.3 token/s"),
        (DOCUMENTED, "40 tokens: 47.3 token/s."),
        (DOCUMENTED, "[10/40] 47.3 token/s, 12.5 ms"),
        (DOCUMENTED, "a-47.3 token/s"),
        (r"rate (?P<gen_tps>[0-9.]+)", "rate 47.3, 12 ms"),
        (r"rate (?P<gen_tps>[0-9.]+)", "rate 47.3ms"),
        (r"rate (?P<gen_tps>[0-9.]+)", "rate 47.3GiB"),
        (r"rate (?P<gen_tps>[0-9.]+)$", "rate 47.3"),
        (r"^(?P<prompt_tokens>\d+),(?P<gen_tps>\d+)$", "12,473"),
        (r"^(\d+),(?P<gen_tps>\d+),", "12,473,9"),
        (r"^\d+,(?P<gen_tps>[0-9.]+),", "12,47.3,12.5"),
        (r"step \d+ (?P<gen_tps>[0-9.]+)", "step 3 234.5"),
        (r"(?P<gen_tps>[-0-9.e+]+) token/s", "1.2e+03 token/s"),
        (r"rate (?P<gen_tps>[0-9.]+)k token/s", "rate 1.5k token/s"),
        (r"rate (?P<gen_tps>[0-9.]+) ktok/s", "rate 1.2 ktok/s"),
        (r"rate (?P<gen_tps>[0-9.]+)", "rate 47.3 tokens/s after 2m30s"),
        (r"rate (?P<gen_tps>[0-9.]+)", "2031-01-02 12:30:01 rate 47.3 t/s (10/29)"),
        (r"rate (?P<gen_tps>[0-9.]+)", "job 3/2 rate 47.3±0.2 t/s"),
        (r"(?P<gen_tps>[0-9.]+) token/s", "took 12 ms, 47.3 token/s"),
        (r"made (?P<gen_tps>\d+)/40", "made 40/40"),
        (r"made (?P<gen_tps>\d+)/(\d+)", "made 39/40"),
        (r"rate (?P<gen_tps>[0-9.]+)", "rate 47.3 × 10 runs"),
        (r"rate (?P<gen_tps>[0-9.]+)", "rate 47.3 t/s, 1.5×10³ in all"),
        (r"took (?P<gen_tps>[0-9.]+)", "took 12.5 s, 40 ms for each"),
        (r"took (?P<gen_tps>[0-9.]+) s", "took 12.5 s 40 tokens"),
    ],
)
def test_a_whole_number_is_one_also_beside_others(pattern: str, line: str) -> None:
    assert cut(pattern, line) is None


@pytest.mark.parametrize(
    ("printed", "half"), [("47.3", 0.05), ("8", 0.5), ("10", 0.5), ("1.2e+03", 50.0), ("3.50", 0.005), ("-2.0", 0.05)]
)
def test_half_of_the_last_digit(printed: str, half: float) -> None:
    assert half_of_last_digit(printed) == pytest.approx(half)


@pytest.mark.parametrize("printed", ["inf", "NaN", "n/a", ""])
def test_what_is_no_finite_number_has_no_last_digit(printed: str) -> None:
    assert half_of_last_digit(printed) is None


@pytest.mark.parametrize(
    ("pattern", "line", "scale", "unit"),
    [
        (r"load (?P<load_s>[\d.]+)", "load 950.2ms", 1.0, "ms"),
        (r"load (?P<load_s>[\d.]+)", "load 950 µs", 1.0, "µs"),
        (r"load (?P<load_s>[\d.]+)", "load 1.5m", 1.0, "m"),
        (r"load (?P<load_s>[\d.]+)", "load 1.5 s", 0.001, "s"),
        (r"load (?P<load_s>[\d.]+)", "load 950.2ms", 0.001, None),
        (r"load (?P<load_s>[\d.]+) ?ms", "load 950.2 ms", 0.001, None),
        (r"load (?P<load_s>[\d.]+)", "load 1.5 s", 1.0, None),
        (r"load (?P<load_s>[\d.]+)", "load 1.5 (12 ms)", 1.0, None),
        (r"load (?P<load_s>[\d.]+)", "load 1.5 m/s", 1.0, None),
        (r"rate (?P<gen_tps>[\d.]+)", "rate 47.3 ms", 1.0, None),
    ],
)
def test_a_time_in_a_unit_that_is_not_converted_is_found(
    pattern: str, line: str, scale: float, unit: str | None
) -> None:
    match = re.search(pattern, line)
    assert match is not None
    assert other_unit(match, match.lastgroup or "", scale) == unit
