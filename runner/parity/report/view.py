"""What a report says, as plain data: formats lay it out, and decide nothing.

All text is plain; a format escapes what it must, but for `Markdown`.
"""

from dataclasses import dataclass
from typing import Literal

from parity.records import VerdictKind


class Markdown(str):
    """Text that is Markdown already: what the config's author wrote for the page."""

    __slots__ = ()


@dataclass(frozen=True)
class Labelled:
    """A text under a label: a verdict, a name, a metric."""

    label: str
    text: str


@dataclass(frozen=True)
class Marked:
    """A table's cell with the numbers of its footnotes."""

    text: str
    marks: tuple[int, ...] = ()

    def __str__(self) -> str:
        return " ".join([self.text, *(f"[{mark}]" for mark in self.marks)])


@dataclass(frozen=True)
class Table:
    """`footnotes`: their numbers stand in the cells. `how`: definitions, prompts and rounds of its figures."""

    headers: tuple[str, ...]
    rows: tuple[tuple[Marked, ...], ...]
    footnotes: tuple[str, ...] = ()
    how: tuple[str, ...] = ()
    title: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        return *self.footnotes, *self.how


@dataclass(frozen=True)
class Section:
    """A model with a test: a table for each implementation, which ones never ran, and figures by definitions that no
    table shows. `facts`: what the sides of each comparison ran with; too long for a terminal."""

    heading: str
    tables: tuple[Table, ...]
    without_table: tuple[str, ...] = ()
    further: tuple[str, ...] = ()
    facts: tuple[Table, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        return *self.without_table, *self.further


@dataclass(frozen=True)
class Problem:
    """What kept something from running, and what to do about it: a command or a sentence."""

    text: str
    remedy: str | None = None


@dataclass(frozen=True)
class FailedTrials:
    """Failures of one class in one cell. `tail`: the last lines that the last of them printed; `state`: what its
    processes were at when a deadline ended it."""

    kind: str
    text: str
    tail: tuple[str, ...]
    state: tuple[str, ...]


@dataclass(frozen=True)
class RuntimeFacts:
    """`settings` are those that tell runtimes apart or decide speed, `further` all others, each as `name value`."""

    title: str
    facts: str
    settings: tuple[str, ...]
    further: tuple[str, ...]
    remedy: str | None = None


@dataclass(frozen=True)
class ReportView:
    """The whole report, in the order in which it is read; `exit` once more at its end. `conditions` are for those who
    look closer: a terminal leaves them out. `outputs`: what implementations computed, where a gate asks for it.
    `witnesses`: figures of other benchmarks, with what must be known of them in `of_witnesses`."""

    title: str
    notices: tuple[str, ...]
    verdicts: tuple[Labelled, ...]
    exit: str
    facts: tuple[Labelled, ...]
    delta_explained: str
    sections: tuple[Section, ...]
    outputs: Table | None
    witnesses: tuple[Table, ...]
    of_witnesses: tuple[str, ...]
    not_run: tuple[Problem, ...]
    failures: tuple[FailedTrials, ...]
    warnings: tuple[str, ...]
    conditions: Table | None
    runtimes: tuple[RuntimeFacts, ...]


@dataclass(frozen=True)
class GateLine:
    """What a gate came to on some of its cells. `short`: on which; `text`: with what was found. `advice`: what would
    change it, TOML on lines of its own."""

    verdict: VerdictKind
    short: str
    text: str
    advice: tuple[str, ...]
    more_advice: int = 0


@dataclass(frozen=True)
class Beside:
    """A value of an implementation, and its ratio to the baseline's; empty where there is none to speak of."""

    value: str
    ratio: str
    definition: str | None = None


@dataclass(frozen=True)
class BriefRow:
    """A metric of all runtimes."""

    title: str
    baseline: str
    implementations: tuple[Beside, ...]


@dataclass(frozen=True)
class BriefTable:
    """The metrics of one test."""

    title: str
    rows: tuple[BriefRow, ...]


@dataclass(frozen=True)
class Remark:
    """Something that went wrong or was odd. `advice`: what to do about it. `detail`: what else is known of it."""

    label: str
    text: str
    advice: str | None = None
    detail: str | None = None


@dataclass(frozen=True)
class BriefView:
    """What a run ends with. `runtimes`: the columns of the tables, the baseline first. `tables`: those of all tests by
    fewer and fewer metrics, of which a format takes the first that is short enough; `more_tests` are in none."""

    notices: tuple[str, ...]
    gates: tuple[GateLine, ...]
    exit: str
    runtimes: tuple[str, ...]
    tables: tuple[tuple[BriefTable, ...], ...]
    more_tests: int
    remarks: tuple[Remark, ...]


Tick = Literal["passed", "failed", "open"]


@dataclass(frozen=True)
class Line:
    """A line of the page's analysis or criteria; `remark` says why it isn't ticked, `command` can be pasted."""

    text: str
    tick: Tick | None = None
    remark: str = ""
    command: str | None = None


@dataclass(frozen=True)
class PageTest:
    """One test of the page with its figures in the page's words."""

    heading: str
    prompt: str
    max_tokens: int
    figures: tuple[Labelled, ...]


@dataclass(frozen=True)
class PageView:
    """The page that is kept beside a project's code; None where the config says nothing."""

    title: str
    date: str
    models: str
    features: str | None
    architecture: str | None
    how_to_read: str
    notices: tuple[str, ...]
    baseline: str
    headline: tuple[Table, ...]
    tests: tuple[PageTest, ...]
    branch: str
    analysis: tuple[Line, ...]
    criteria: tuple[Line, ...]
