"""How a number with a unit is written in every table, page and sentence; nothing is computed here."""

import math

_SYMBOLS = {"token/s": "t/s"}
_WORDS = {"s": "seconds", "token/s": "tokens/s"}
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_COUNTS = ("tokens",)
_LEAST_DECIMALS = 2
_MOST_DECIMALS = 9
_LARGEST_END = 1e6
_LEAST_NATS = 1e-6
_LEAST_TIMES, _MOST_TIMES = 0.001, 1000


def format_value(value: float, unit: str) -> str:
    """`0.36 s`, `93.87 t/s`, `1.42 GiB`, `50 tokens`; two digits of a small value are kept: `0.0042 s`. A share
    is shown as `3.1%`."""
    if unit == "bytes":
        return _bytes(value)
    if unit == "share":
        return f"{value:.1%}"
    return f"{_number(value, unit)} {_SYMBOLS.get(unit, unit)}".rstrip()


def plural(number: int, noun: str) -> str:
    """`1 trial`, `3 trials`."""
    return f"{number} {noun_for(number, noun)}"


def noun_for(number: float, noun: str) -> str:
    """`trial` of 1, `trials` of any other number."""
    return noun if number == 1 else f"{noun}s"


def shortened(text: str, longest: int) -> str:
    """A text of at most so many characters, the last of which is `…` where something was cut off."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def shortened_front(text: str, longest: int) -> str:
    """The same of a text whose end says the most."""
    return text if len(text) <= longest else f"…{text[1 - longest :]}"


def format_words(value: float, unit: str) -> str:
    """The same with the unit as a word: `0.36 seconds`, `93.87 tokens/s`."""
    return f"{_number(value, unit)} {_WORDS[unit]}" if unit in _WORDS else format_value(value, unit)


def format_difference(value: float, unit: str) -> str:
    """With its sign always: `+1.42 s`, `-4.10 t/s`."""
    return ("-" if value < 0 else "+") + format_value(abs(value), unit)


def format_ratio(ratio: float, interval: tuple[float, float] | None) -> str:
    """`3.9× [3.7, 4.2]`; the ends have as many decimals as the ratio, or more where they are small."""
    if interval is None:
        return f"{bare_ratio(ratio)}, no interval"
    low, high = (_ratio_end(end, _ratio_decimals(ratio)) for end in interval)
    return f"{bare_ratio(ratio)} [{low}, {high}]"


def bare_ratio(ratio: float) -> str:
    """`3.9×`: where its interval stands elsewhere, or a single round has none."""
    return f"{ratio:.{_ratio_decimals(ratio)}f}×"


def format_instant(written: str) -> str:
    """`2031-01-03 09:12:40` of an instant as run folders have it, in UTC."""
    return written.replace("T", " ").removesuffix("Z")


def format_nats(value: float, digits: int = 2) -> str:
    """A distance in nats, without the unit: `0.036`, `below 1e-6`, which is what six printed digits hold."""
    return "below 1e-6" if 0 < value < _LEAST_NATS else _significant(value, digits)


def format_times(value: float, digits: int = 2) -> str:
    """How many times a tolerance: `17`, `over 1,000`, `below 0.001`."""
    if value >= _MOST_TIMES:
        return f"over {_MOST_TIMES:,}"
    return f"below {_LEAST_TIMES}" if 0 < value < _LEAST_TIMES else _significant(value, digits)


def _significant(value: float, digits: int) -> str:
    return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"


def _ratio_end(end: float, least_decimals: int) -> str:
    """An interval of few rounds that scatter may end close to 0, or far above 1: such an end is written as a power."""
    decimals = max(least_decimals, _ratio_decimals(end))
    return f"{end:.1e}" if decimals > _MOST_DECIMALS or end >= _LARGEST_END else f"{end:.{decimals}f}"


def format_delta(difference: float, unit: str, ratio: float, interval: tuple[float, float] | None) -> str:
    """`+1.42 s (3.9× [3.7, 4.2])`: difference, ratio, interval of the ratio."""
    return f"{format_difference(difference, unit)} ({format_ratio(ratio, interval)})"


def _number(value: float, unit: str) -> str:
    if unit in _COUNTS and math.isclose(value, round(value), rel_tol=1e-9):
        return str(round(value))
    decimals = _decimals(value)
    return f"{value:.1e}" if decimals > _MOST_DECIMALS else f"{value:.{decimals}f}"


def _decimals(value: float) -> int:
    """Enough for two significant digits, and never fewer than two."""
    if value == 0:
        return _LEAST_DECIMALS
    exponent = int(f"{value:.1e}".partition("e")[2])
    return max(_LEAST_DECIMALS, 1 - exponent)


def _ratio_decimals(ratio: float) -> int:
    if ratio < 2:
        return _decimals(ratio)
    return 1 if ratio < 100 else 0


def _bytes(value: float) -> str:
    scaled, symbol = value, _BINARY[0]
    for symbol in _BINARY:
        if round(abs(scaled), 1) < 1024 or symbol == _BINARY[-1]:
            break
        scaled /= 1024
    if symbol == _BINARY[0] and scaled == round(scaled):
        return f"{scaled:.0f} {symbol}"
    return f"{scaled:.{1 if abs(scaled) >= 10 else 2}f} {symbol}"
