"""Numbers as programs print them: whether a match holds a whole one, and how exact it is. Pure."""

import re
from decimal import Decimal, InvalidOperation

_MARKS = ".,'’`_·⋅٫٬\u00a0\u2009\u202f"
"""What may stand between two digits of one number: points, commas, and the marks between thousands."""

_RUN = re.compile(rf"\d+(?:[{_MARKS}]\d+)*")
_BEGUN = re.compile(r"(?:\d[eE][+-]?|(?:^|[\s=:(\[])[-−]|(?<![A-Za-z0-9])\d+:|(?:±|\+/-)\s?|\b0[xX])$")
"""Ends with what begins a number: an exponent, a minus sign, the minutes of a time, a ±, the 0x of a hexadecimal."""

_GOES_ON = re.compile(r"[eE][+-]?\d")
"""Begins with what ends a number: an exponent."""

_FACTOR = re.compile(r"\s?(?:[kKMGT](?![A-Za-z])|[kKMGmµμ]\s?(?=(?:t|tok|tokens?)(?:/| per |\b)))")
"""Begins with a factor before its unit, such as the k of 1.5k and of 1.2 ktok/s."""

_NUMBER = r"\d+(?:[.,]\d+)?"
_HOURS, _MINUTES, _SECONDS = r"(?:h|hrs?|hours?)", r"(?:m|min|mins|minutes?)", r"(?:s|secs?|seconds?)"
_LONGER = (
    re.compile(rf"(?<![\w.]){_NUMBER}(?::\d\d)+(?:[.,]\d+)?"),
    re.compile(
        rf"(?<![\w.])(?:{_NUMBER}\s?(?:d|days?)\s?)?(?:{_NUMBER}\s?{_HOURS}\s?)?(?:{_NUMBER}\s?{_MINUTES}\s?)?"
        rf"(?:{_NUMBER}\s?{_SECONDS}\s?)?(?:{_NUMBER}\s?(?:[mµun]s|{_SECONDS}|{_MINUTES}))?(?![A-Za-z/])"
    ),
    re.compile(rf"{_NUMBER}\s?[×x*·⋅]\s?10(?:\s?(?:\^|\*\*)\s?[-+−]?\d+|[⁻⁺]?[⁰¹²³⁴-⁹]+)"),
    re.compile(rf"{_NUMBER}(?:(?:\^|\*\*)[-+−]?\d+|[⁻⁺]?[⁰¹²³⁴-⁹]+)"),
    re.compile(rf"(?<![\w./⁄]){_NUMBER}[/⁄]{_NUMBER}(?![\d/⁄])"),
)
"""Values of more than one number: times, durations such as 2m30s, powers of ten, fractions."""

_UNITS_S = {
    unit: seconds
    for units, seconds in (
        ("ns", 1e-9),
        ("us µs μs", 1e-6),
        ("ms msec milliseconds", 1e-3),
        ("s sec secs second seconds", 1.0),
        ("m min mins minutes", 60.0),
        ("h hours", 3600.0),
    )
    for unit in units.split()
}
_UNIT = re.compile(rf"\s?({'|'.join(sorted(_UNITS_S, key=len, reverse=True))})(?![\w/])")

_THOUSANDS_BEFORE = re.compile(rf"(?<![\d{_MARKS}])\d{{1,3}}(?: \d{{3}})* $")
_THOUSANDS_AFTER = re.compile(rf" \d{{3}}(?![\d{_MARKS}]\d|\d)")


def longer_number(match: re.Match[str], group: str) -> str | None:
    """The number that a group was cut out of, as far as the line shows it: `47,3` for a group that holds the 3. None
    where the group holds all of its number.

    A neighbour that has a capturing group of its own is a number by itself, as in a line of comma-separated values. A
    factor, or the other number of a fraction, that the pattern asks for is what its author knows of."""
    line, (start, stop) = match.string, match.span(group)
    if start == stop:
        return None
    if (whole := _value_around(match, group)) is not None:
        return whole
    before, after = line[:start], line[stop:]
    left, right = _run_left(match, group), _run_right(match, group)
    if left is None and _BEGUN.search(before) and line[start].isdecimal():
        left = re.search(r"\S*$", before)[0]  # type: ignore[index]
    if right is None and _GOES_ON.match(after) and line[stop - 1].isdecimal():
        right = re.match(r"\S*", after)[0]  # type: ignore[index]
    # Thousands apart by plain spaces look like two numbers: they are one unless the pattern says what the other is.
    if left is None and start == match.start() and re.match(r"\d{3}(?!\d)", line[start:]):
        found = _THOUSANDS_BEFORE.search(before)
        left = found[0] if found else None
    if right is None and stop == match.end() and re.fullmatch(r"\d{1,3}", line[start:stop]):
        found = _THOUSANDS_AFTER.match(after)
        right = found[0] if found else None
    return None if left is None and right is None else f"{left or ''}{line[start:stop]}{right or ''}"


def _value_around(match: re.Match[str], group: str) -> str | None:
    """The value of several numbers, or of a number and a factor, in which a group stands."""
    line, (start, stop) = match.string, match.span(group)
    if not line[stop - 1].isdecimal():
        return None
    factor = _FACTOR.match(line, stop)
    if (
        factor is not None
        and factor[0].strip()
        and not _asks_for(match, group, line.index(factor[0].strip(), stop), factor.end())
    ):
        return line[start : re.compile(r"\S*").match(line, factor.end()).end()]  # type: ignore[union-attr]
    for form in _LONGER:
        for found in form.finditer(line):
            begin, end = found.span()
            outside = [(a, b) for a, b in ((begin, start), (stop, end)) if re.search(r"[\d⁰¹²³⁴-⁹]", line[a:b])]
            if begin <= start < end and stop <= end and outside and not _is_known(match, group, found[0], outside):
                return found[0]
    return None


def _is_known(match: re.Match[str], group: str, value: str, outside: list[tuple[int, int]]) -> bool:
    fraction = "/" in value or "⁄" in value
    return all(_is_captured(match, group, a, b) or (fraction and _asks_for(match, group, a, b)) for a, b in outside)


def _asks_for(match: re.Match[str], group: str, start: int, stop: int) -> bool:
    """Whether the pattern reads no such number from the line without a piece of it."""
    without = match.re.search(match.string[:start] + match.string[stop:])
    return without is None or without[group] != match[group]


def _run_left(match: re.Match[str], group: str) -> str | None:
    """What belongs to the number that a group begins with, before the group."""
    line, start = match.string, match.start(group)
    run = next((found for found in _RUN.finditer(line) if found.start() < start < found.end()), None)
    if run is None or _is_captured(match, group, run.start(), start):
        return None
    return line[run.start() : start] if _inside(line, start, run[0]) else None


def _run_right(match: re.Match[str], group: str) -> str | None:
    """What belongs to the number that a group ends with, behind the group."""
    line, stop = match.string, match.end(group)
    run = next((found for found in _RUN.finditer(line) if found.start() < stop < found.end()), None)
    if run is None or _is_captured(match, group, stop, run.end()):
        return None
    return line[stop : run.end()] if _inside(line, stop, run[0]) else None


def _is_captured(match: re.Match[str], group: str, start: int, stop: int) -> bool:
    """Whether a different group of the pattern takes part in this piece of the line."""
    own = match.re.groupindex[group]
    spans = (match.span(k) for k in range(1, match.re.groups + 1) if k != own)
    return any(begin < stop and start < end for begin, end in spans if begin >= 0 and not begin <= start < stop <= end)


def _inside(line: str, place: int, run: str) -> bool:
    """Whether a place in a run of digits and marks is within one number: a point there is never a list's separator."""
    around = line[place - 1 : place + 1]
    return around.isdecimal() or "." in around or _is_number(run)


def _is_number(run: str) -> bool:
    """Whether digits with marks between them are one number in any language, such as 47,3 and 1'234.5 and 12,34,567."""
    marks = re.sub(r"\d", "", run)
    digits = re.split(rf"[{_MARKS}]", run)
    if len(marks) == 1:
        return True
    decimals = len(set(marks)) == 2
    if len(set(marks)) > 2 or (decimals and marks.count(marks[-1]) > 1):
        return False
    grouped = digits[1:-1] if decimals else digits[1:]
    return all(2 <= len(part) <= 4 for part in grouped) and 3 <= len(grouped[-1]) <= 4


def other_unit(match: re.Match[str], group: str, scale: float) -> str | None:
    """The unit of time that stands behind the group of a metric in seconds, where it isn't the one that `scale`
    converts and the pattern would read any other as well; None where it is, or where there is none."""
    found = _UNIT.match(match.string, match.end(group)) if group.endswith("_s") else None
    if found is None or abs(scale / _UNITS_S[found[1]] - 1) < 1e-9 or _asks_for(match, group, *found.span(1)):
        return None
    return found[1]


def half_of_last_digit(printed: str) -> float | None:
    """How far the true value may lie from a number as it was printed: 0.05 for `47.3`, 50 for `1.2e+03`. None where
    it is no finite number."""
    try:
        exponent = Decimal(printed).as_tuple().exponent
    except InvalidOperation:
        return None
    return 0.5 * float(f"1e{exponent}") if isinstance(exponent, int) else None
