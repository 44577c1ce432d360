"""What a run came to, in one word and a colour, and the verdicts that a reader looks at first."""

from collections import Counter
from collections.abc import Sequence

from parity.judging.exit import word_of
from parity.records import Report, Verdict
from parity.report.html.view import Banner, Judged
from parity.report.identity import beside
from parity.report.index import WORST_FIRST, Index

_TONES = {0: "pass", 1: "fail"}
"""Exit code → tone; of all others `open`."""

_FOLD_FROM = 12
"""Verdicts; so many are a list too long to be read."""

_NO_LOOK = ("PASS", "NOT APPLICABLE")


def banner_of(report: Report) -> Banner:
    """The end of the run."""
    word = word_of(report.exit.code, judged=bool(report.verdicts))
    found = Counter(verdict.verdict for verdict in report.verdicts)
    counts = tuple((kind, found[kind]) for kind in WORST_FIRST if found[kind])
    return Banner(
        word, _TONES.get(report.exit.code, "open"), f"Exit code {report.exit.code}: {report.exit.reason}", counts
    )


def judged(index: Index) -> list[Judged]:
    """Every verdict, the worst first, otherwise in the report's order."""
    ordered = sorted(index.report.verdicts, key=lambda verdict: WORST_FIRST.index(verdict.verdict))
    return [_judged(index, verdict) for verdict in ordered]


def _judged(index: Index, verdict: Verdict) -> Judged:
    where = index.cell_title(verdict.model, verdict.test, verdict.runtime)
    name = f"{verdict.gate} · {where}{'' if verdict.required else ' (advice)'}"
    found = beside(verdict.but(sentence=verdict.finding, advice=None))
    return Judged(verdict.verdict, f"{name}: {found}", tuple((verdict.advice or "").splitlines()))


def split(verdicts: Sequence[Judged]) -> tuple[tuple[Judged, ...], tuple[Judged, ...]]:
    """The verdicts to show, and those to fold away."""
    if len(verdicts) < _FOLD_FROM:
        return tuple(verdicts), ()
    return (
        tuple(one for one in verdicts if one.verdict not in _NO_LOOK),
        tuple(one for one in verdicts if one.verdict in _NO_LOOK),
    )
