"""What the page shows beyond the views that all formats share: a banner, and the plots of each test. Plain data."""

from dataclasses import dataclass

from markupsafe import Markup

from parity.report.view import ReportView, Section, Table


@dataclass(frozen=True)
class Key:
    """A line of a legend: `swatch` is the class of the mark, `letter` what stands in it."""

    swatch: str
    text: str
    letter: str = ""


@dataclass(frozen=True)
class Plot:
    """A picture with what a reader needs beside it. `table`: its values, for those who don't see it."""

    title: str
    picture: Markup
    legend: tuple[Key, ...] = ()
    notes: tuple[str, ...] = ()
    table: Table | None = None
    has_scale: bool = False
    """Whether numbers stand left of the picture."""


@dataclass(frozen=True)
class Banner:
    """The end of the run in one word. `tone`: `pass`, `fail` or `open`; `counts`: each verdict with its number."""

    word: str
    tone: str
    sentence: str
    counts: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Judged:
    """A verdict with what was found. `advice`: what would change it, in lines; TOML has lines of its own."""

    verdict: str
    text: str
    advice: tuple[str, ...] = ()


@dataclass(frozen=True)
class Side:
    """One text, or that of both sides where `marked` is None. `same`: what both begin with; `marked`: the first word
    that differs, empty where the text ends there; `rest`: what follows."""

    title: str
    same: str
    marked: str | None
    rest: str


@dataclass(frozen=True)
class Answers:
    """What two sides answered. `verdict` is None where nothing judged them. `top`: the likeliest tokens of both where
    they first differ."""

    title: str
    verdict: str | None
    sentence: str
    sides: tuple[Side, ...]
    differ: bool
    top: Table | None = None


@dataclass(frozen=True)
class Figure:
    """A value, and below it its ratio to the baseline's, or why there is none."""

    value: str
    ratio: str = ""


@dataclass(frozen=True)
class GlanceRow:
    """`verdict`: the worst of its required gates; None where there is none."""

    title: str
    verdict: str | None
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Glance:
    """All runtimes of a test: a column for each metric. `marked`: a `*` stands behind a value."""

    metrics: tuple[str, ...]
    rows: tuple[GlanceRow, ...]
    marked: bool = False


@dataclass(frozen=True)
class Command:
    """How a cell is made again. `run`: what runs it beside the baseline; None where the config's file is not known.
    `explain`: what shows how its figures came about; `process`: the command line of one of its trials."""

    title: str
    run: str | None
    explain: str
    process: str


@dataclass(frozen=True)
class FoundLine:
    """One finding, and the command that looks further."""

    text: str
    command: str | None = None


@dataclass(frozen=True)
class SlowView:
    """What tells a runtime that is slower than its gate allows, or may be, from the baseline. `summary`: what does not
    stand out; `unknown`: what could not be looked at; `profile`: a command that shows in which functions time goes."""

    title: str
    baseline: str
    findings: tuple[FoundLine, ...]
    summary: str
    unknown: tuple[str, ...]
    profile: str


@dataclass(frozen=True)
class TestView:
    """A model with a test. `anchor`: its id on the page. `ratios`, `values`, `distances`: plots of one kind each.
    `differences`: what the sides of each comparison ran that is not the same. `drawn`: False where it has no plots
    because the run has too many tests. `slow`: why runtimes are slower than their gates allow."""

    __test__ = False

    anchor: str
    title: str
    section: Section
    glance: Glance | None = None
    time: Plot | None = None
    ratios: tuple[Plot, ...] = ()
    values: tuple[Plot, ...] = ()
    gaps: Plot | None = None
    answers: tuple[Answers, ...] = ()
    distances: tuple[Plot, ...] = ()
    differences: tuple[Table, ...] = ()
    drawn: bool = True
    slow: tuple[SlowView, ...] = ()


@dataclass(frozen=True)
class HtmlView:
    """The whole page. `folded`: verdicts that need no look, where there are many. `machine`: what else it did."""

    report: ReportView
    banner: Banner
    verdicts: tuple[Judged, ...]
    folded: tuple[Judged, ...]
    tests: tuple[TestView, ...]
    machine: Plot | None = None
    commands: tuple[Command, ...] = ()
