"""The three lines of statistics that some older commits print after the answer.

What they mean changed several times within a week, so no figure is taken from them: they are only cut off the answer.
"""

import re

_LINES = re.compile(
    r"\n\n✅ Generation complete!\n"
    r"   Tokens: (?P<tokens>\d+)\n"
    r"   Time: (?P<time_s>\d+\.\d{2})s\n"
    r"   Speed: (?P<speed>\d+\.\d{2}|inf|NaN) tokens/sec\n\Z".encode()
)
ROUNDING = 0.005
"""Half of the last digit that is printed of time and speed."""


def statistics_start(body: bytes, elapsed_s: float) -> int | None:
    """Where the statistics begin at the end of `body`, the output between the two headings; None without them.

    A model can write such lines too. They count as its text where the time is longer than the process has lived
    (`elapsed_s`), or where speed isn't tokens over time."""
    match = _LINES.search(body)
    if match is None:
        return None
    tokens, time_s, speed = int(match["tokens"]), float(match["time_s"]), float(match["speed"])
    fastest = tokens / (time_s - ROUNDING) + ROUNDING if time_s > ROUNDING else float("inf")
    slowest = tokens / (time_s + ROUNDING) - ROUNDING
    if time_s > elapsed_s + ROUNDING or (speed == speed and not slowest <= speed <= fastest):
        return None
    return match.start()
