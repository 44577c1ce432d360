"""Where the time of a trial goes: one trial of each runtime, from its spawn to its end, on one scale."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from parity.records import Stage, StageName
from parity.report.html.svg import element, line, plot, scale_of, share, text, x_axis
from parity.units import format_value

STAGES: dict[StageName, tuple[str, str]] = {
    "import": ("I", "start and imports"),
    "header": ("H", "header of the file"),
    "tokenizer": ("T", "tokenizer"),
    "weights": ("W", "weights"),
    "lm-load": ("M", "load of the language model"),
    "download": ("!", "download"),
    "to-weights": ("W", "start until the weights are resident"),
    "load": ("L", "load, not told apart further"),
    "prefill": ("P", "prefill, to the first token"),
    "first-text": ("F", "to the first text"),
    "decode": ("D", "decoding"),
    "answer": ("A", "rest of the answer"),
    "aside": ("X", "asides, which no figure holds"),
    "other": ("O", "other work"),
}
"""Each stage's letter within its bar, and its name."""

_ROW, _BAR, _LABEL = 46, 18, 14
_ROOM_FOR_LETTER = 0.04
_LEAST = 0.0015
"""Share of the width that any stage is drawn with at least."""


@dataclass(frozen=True)
class Bar:
    """One trial. `remark`: which one it is, or how it failed."""

    title: str
    remark: str
    stages: tuple[Stage, ...]

    @property
    def seconds(self) -> float:
        return self.stages[-1].end_s

    def spent(self, name: StageName) -> float:
        """Seconds in a stage, in all."""
        return sum(stage.seconds for stage in self.stages if stage.name == name)


def stages_in(bars: Sequence[Bar]) -> list[StageName]:
    """The stages that any bar has, in the order in which they come."""
    there = {stage.name for bar in bars for stage in bar.stages}
    return [name for name in STAGES if name in there]


def timeline(key: str, title: str, bars: Sequence[Bar]) -> Markup:
    """A bar for each trial, of one scale in seconds from the spawn."""
    scale = scale_of([bar.seconds for bar in bars], from_zero=True)
    height = _ROW * len(bars)
    parts: list[str] = [x_axis(scale, height, " s")]
    for row, bar in enumerate(bars):
        top = _ROW * row
        label = f"{bar.title}, {bar.remark}: {format_value(bar.seconds, 's')}"
        parts.append(text(label, x=3, y=top + _LABEL, class_="label"))
        parts += [
            part for stage in bar.stages for part in _drawn(stage, scale.at(stage.begin_s), scale.at(stage.end_s), top)
        ]
    parts.append(line(0, 0, 0, height, "axis"))
    return plot(key, title, " ".join(_said(bar) for bar in bars), height + 20, parts)


def _drawn(stage: Stage, begin: float, end: float, top: int) -> Iterator[Markup]:
    letter, name = STAGES[stage.name]
    width = max(end - begin, _LEAST)
    yield element(
        "rect",
        element("title", f"{name}: {format_value(stage.seconds, 's')}"),
        x=share(begin),
        y=top + _LABEL + 6,
        width=share(width),
        height=_BAR,
        class_=f"stage {stage.name}",
    )
    if width >= _ROOM_FOR_LETTER:
        yield text(letter, x=share(begin + width / 2), y=top + _LABEL + 19, class_="letter middle")


def _said(bar: Bar) -> str:
    spent = ", ".join(f"{STAGES[name][1]} {format_value(bar.spent(name), 's')}" for name in stages_in([bar]))
    return f"{bar.title}: {spent}; {format_value(bar.seconds, 's')} in all."
