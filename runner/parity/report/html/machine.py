"""What else the machine did over the run: a bar for each trial in the order in which they ran."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from parity.records import Report, Trial
from parity.report.html.svg import element, line, mark, plot, scale_of, share, text, y_axis
from parity.report.html.view import Key, Plot

_HEIGHT = 110
_MOST_BARS = 300
_VOID = 4
"""The shape of what does not count: a cross."""


@dataclass(frozen=True)
class Moment:
    """One trial, or several that ran one after the other. `others`: the most cores that other programs used."""

    said: str
    others: float
    void: bool


def machine_plot(report: Report) -> Plot | None:
    """The cores that others used, by trial; None where no trial recorded any."""
    ran = sorted((*report.trials, *report.void, *report.score_trials), key=_place)
    trials = [trial for trial in ran if _others(trial) is not None]
    if not trials:
        return None
    usable = next(t.conditions.usable_cpus for t in trials if t.conditions is not None)
    most = report.conditions.most_others_cpu(usable)
    title = "CPUs that other programs used, by trial"
    moments = moments_of(trials)
    void = sum(trial.void is not None for trial in trials)
    busiest = max(trials, key=lambda trial: _others(trial) or 0.0)
    said = (
        f"{len(trials)} trials in the order in which they ran, of which {void} are void. The most was "
        f"{_others(busiest):.2f} of {usable} CPUs, in {_name(busiest)}."
    )
    legend = (Key(str(_VOID), "void: does not count"),) if void else ()
    return Plot(title, drawn("machine", title, said, moments, most), legend, (said,), has_scale=True)


def moments_of(trials: Sequence[Trial]) -> list[Moment]:
    """A moment for each trial; of many trials, one for each few."""
    size = -(-len(trials) // _MOST_BARS)
    groups = [trials[k : k + size] for k in range(0, len(trials), size)]
    found = []
    for group in groups:
        busiest = max(group, key=lambda trial: _others(trial) or 0.0)
        found.append(Moment(_name(busiest), _others(busiest) or 0.0, any(t.void is not None for t in group)))
    return found


def drawn(key: str, title: str, description: str, moments: Sequence[Moment], most: float) -> Markup:
    """`most`: the cores that others may use in a trial that counts."""
    scale = scale_of([most, *(moment.others for moment in moments)], from_zero=True)
    parts: list[str] = [y_axis(scale, _HEIGHT)]
    for place, moment in enumerate(moments):
        x, top = place / len(moments), scale.y(moment.others, _HEIGHT)
        tip = element("title", f"{moment.said}: {moment.others:.2f}{', void' if moment.void else ''}")
        width = share(0.8 / len(moments))
        height = max(_HEIGHT - top, 1.0)
        parts.append(element("rect", tip, x=share(x), y=_HEIGHT - height, width=width, height=height, class_="bar"))
        if moment.void:
            parts.append(mark(_VOID, x + 0.4 / len(moments), max(top - 7, 6.0)))
    y = scale.y(most, _HEIGHT)
    parts += [line(0, y, 1, y, "limit"), text(f"at most {most:.2g}", x="100%", y=y - 4, class_="limit-text end")]
    parts += [line(0, _HEIGHT, 1, _HEIGHT, "axis"), text("first trial", x=0, y=_HEIGHT + 15, class_="tick")]
    parts.append(text("last trial", x="100%", y=_HEIGHT + 15, class_="tick end"))
    return plot(key, title, description, _HEIGHT + 20, parts)


def _place(trial: Trial) -> int:
    """In the order in which trials ran: their files are numbered."""
    found = re.match(r"\d+", trial.file.rpartition("/")[2])
    return int(found[0]) if found else 0


def _others(trial: Trial) -> float | None:
    return trial.conditions.others_cpu if trial.conditions is not None else None


def _name(trial: Trial) -> str:
    turn = "scoring" if trial.task == "score" else f"{'warm-up ' if trial.warmup else ''}round {trial.round}"
    return f"{trial.runtime}, {trial.test}, {turn}"
