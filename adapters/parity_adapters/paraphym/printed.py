"""The three lines of statistics that some older commits print after the answer, and what they may mean.

They had several meanings within a week, so they are kept under names of their own that nothing compares.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from parity.adapter.events import RuntimeFigure

_LINES = re.compile(
    r"\n\n✅ Generation complete!\n"
    r"   Tokens: (?P<tokens>\d+)\n"
    r"   Time: (?P<time_s>\d+\.\d{2})s\n"
    r"   Speed: (?P<speed>\d+\.\d{2}|inf|NaN) tokens/sec\n\Z".encode()
)
ROUNDING = 0.005
"""Half of the last digit that is printed of time and speed."""

NEAR_S = 0.05
NEAR_SHARE = 0.05
"""How far the printed time may lie from what was observed and still be taken for the same span."""


@dataclass(frozen=True)
class Statistics:
    """What was printed. `start`: offset of its first byte in the body."""

    start: int
    tokens: int
    time_s: float
    speed: float


@dataclass(frozen=True)
class Instants:
    """When a trial's phases began, in ns; None where it was not seen. `end` is the arrival of the statistics."""

    end: int
    load: int | None
    start: int | None
    first_text: int | None


def statistics_of(body: bytes, elapsed_s: float) -> Statistics | None:
    """The statistics at the end of what stands between the two headings.

    A model may write the like: it isn't believed where the time is longer than the process has lived (`elapsed_s`), or
    where speed isn't tokens over time."""
    match = _LINES.search(body)
    if match is None:
        return None
    tokens, time_s, speed = int(match["tokens"]), float(match["time_s"]), float(match["speed"])
    fastest = tokens / (time_s - ROUNDING) + ROUNDING if time_s > ROUNDING else float("inf")
    slowest = tokens / (time_s + ROUNDING) - ROUNDING
    if time_s > elapsed_s + ROUNDING or (speed == speed and not slowest <= speed <= fastest):
        return None
    return Statistics(match.start(), tokens, time_s, speed)


def figures(printed: Statistics, at: Instants) -> Iterator[RuntimeFigure]:
    """The figures as the program's own, with what they mean as far as the trial's instants tell."""
    definition = meaning(printed.time_s, at)
    finite = printed.speed - printed.speed == 0
    for metric, value, unit in (
        ("printed_tokens", float(printed.tokens), "tokens"),
        ("printed_time_s", printed.time_s, "s"),
        ("printed_tps", printed.speed if finite else None, "token/s"),
    ):
        raw = None if value is not None else str(printed.speed)
        yield RuntimeFigure(t_ns=at.end, metric=metric, definition=definition, value=value, unit=unit, raw=raw)


def meaning(time_s: float, at: Instants) -> str:
    """Which span the printed time covers: the observed one that is nearest, if it is near enough."""
    spans = {
        "text chunks ÷ (load, prefill and decode)": at.load,
        "tokens but the first ÷ (prefill and decode)": at.start,
        "text chunks ÷ (first chunk to end)": at.first_text,
    }
    off = {text: abs((at.end - begun) / 1e9 - time_s) for text, begun in spans.items() if begun is not None}
    nearest = min(off, key=lambda text: off[text], default=None)
    if nearest is None or off[nearest] > max(NEAR_S, NEAR_SHARE * time_s):
        return "which of its meanings is not known"
    return nearest
