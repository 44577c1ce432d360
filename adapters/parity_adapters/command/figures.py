"""The figures that a program prints about itself, by the regular expressions of its settings. Pure."""

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from pydantic import Field, field_validator

from parity.adapter import (
    METRIC_NAMES,
    Job,
    Line,
    ReadError,
    Record,
    Transcript,
    checked,
    half_of_last_digit,
    is_echo,
    longer_number,
    note,
    other_unit,
)
from parity.adapter.events import Count, Event, Prompt, RuntimeFigure

COUNTS: dict[str, Callable[[int, int], Event]] = {
    "prompt_tokens": lambda t_ns, count: Prompt(t_ns=t_ns, count=count),
    "generated_tokens": lambda t_ns, count: Count(t_ns=t_ns, generated=count),
}
"""Figures that say how much work was done, rather than how fast."""

MOST_DIGITS = 9
"""Of a count of tokens; a longer number is not one."""


class Figure(Record):
    """A regular expression whose named groups are metrics, such as `(?P<gen_tps>[0-9.]+) token/s`.

    If several lines match, the last one counts: a model's own text may imitate the program's figures, and comes before
    them. A group must hold the whole number: one that is cut out of a longer number, such as the 3 of `47,3`, the 2 of
    `2m30s` or the 1.2 of `1.2 ktok/s`, makes the trial fail as `parse`. So does a unit of time that `scale` does not
    convert, if the pattern does not ask for it."""

    pattern: str = Field(
        description="a Python regular expression with a named group for each metric; leave all other groups unnamed"
    )
    stream: Literal["out", "err"] = Field(default="out", description="standard output or standard error")
    definition: str | None = Field(
        default=None,
        description="what the figure means; figures of two runtimes are compared only if both have the same definition",
    )
    scale: float = Field(
        default=1.0, gt=0, description="factor that converts to the metric's unit, such as 0.001 for milliseconds"
    )

    @field_validator("pattern")
    @classmethod
    def _names_metrics(cls, pattern: str) -> str:
        names = re.compile(checked(pattern)).groupindex
        if not names:
            raise ValueError("needs a named group for each metric, such as (?P<gen_tps>[0-9.]+)")
        for name in names:
            if name not in METRIC_NAMES:
                near = difflib.get_close_matches(name, METRIC_NAMES, n=1)
                hint = f"did you mean `{near[0]}`?" if near else f"the metrics are {', '.join(METRIC_NAMES)}"
                raise ValueError(f"the group `{name}` is not a metric: {hint}")
        return pattern


def read_figures(figures: Sequence[Figure], transcript: Transcript, job: Job) -> Iterator[Event]:
    """An event for each group of each figure.

    Raises:
        ReadError: no line matches but an echo of the prompt, or a group holds a part of a value or one in a different
            unit.
    """
    for figure in figures:
        note(f"figures: {figure.pattern!r}")
        seen = transcript.find(figure.pattern, figure.stream, last=True)
        if seen is None:
            raise ReadError(f"no line of its output matches {figure.pattern}")
        line, match = seen
        if is_echo(match, job):
            raise ReadError(f"no line of its output matches {figure.pattern}, but for an echo of the prompt")
        for metric in match.groupdict():
            if match[metric] is not None:
                _check(figure, line, match, metric)
            yield _event(figure, line, metric, match[metric], job.runtime)


def _check(figure: Figure, line: Line, match: re.Match[str], metric: str) -> None:
    """Raises ReadError where a group isn't the whole value of its metric."""
    shown = f"{line.text[:200]!r}"
    if (longer := longer_number(match, metric)) is not None:
        raise ReadError(
            f"{metric} would be {match[metric]}, a part of {longer.strip()!r} in {shown}: extend {figure.pattern} so "
            "that its group holds the whole number, or put a neighbouring number into a group of its own"
        )
    if (unit := other_unit(match, metric, figure.scale)) is not None:
        raise ReadError(
            f"{metric} would be {match[metric]} × {figure.scale:g} s, but {shown} gives it in {unit}: extend "
            f"{figure.pattern} so that it holds the unit, and set `scale` to convert it to seconds"
        )


def _event(figure: Figure, line: Line, metric: str, raw: str | None, runtime: str) -> Event:
    if metric in COUNTS and raw is not None and raw.isdecimal() and len(raw) <= MOST_DIGITS:
        return COUNTS[metric](line.t_ns, int(raw))
    value = _number(raw, figure.scale)
    half = half_of_last_digit(raw) if value is not None and raw is not None else None
    return RuntimeFigure(
        t_ns=line.t_ns,
        metric=metric,
        definition=figure.definition or f"{runtime}'s own",
        value=value,
        resolution=None if half is None else half * figure.scale,
        raw=raw if value is None else None,
    )


def _number(raw: str | None, scale: float) -> float | None:
    """A finite number, or None: `inf` and `nan` are what a division by zero prints, not measurements."""
    try:
        value = float(raw) * scale if raw is not None else None
    except ValueError:
        return None
    return value if value is not None and value - value == 0 else None
