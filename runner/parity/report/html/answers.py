"""What two sides answered: both texts with their first difference, and the likeliest tokens there."""

from collections.abc import Iterator, Sequence

from parity.outputs import Compared
from parity.records import FirstDifference, Top
from parity.redaction import known, redact
from parity.report.delta import MISSING
from parity.report.html.view import Answers, Side
from parity.report.index import CellResults, Index, Workload
from parity.report.view import Marked, Table
from parity.units import shortened
from parity.visible import printable_lines

LONGEST = 4000
"""Characters of a text that the page shows."""

_WORD = 40
"""Characters that are marked at most, of a word that is written without spaces."""


def answers_of(index: Index, workload: Workload) -> Iterator[Answers]:
    """Each implementation's text beside the baseline's, where both show one."""
    baseline, *others = cells_of(index, workload)
    theirs = _text(baseline)
    compared: Compared | None = None
    for cell in others:
        ours = _text(cell)
        if theirs is None or ours is None:
            continue
        verdict = next((v for v in index.outputs(workload) if v.runtime == cell.name), None)
        if compared is None:
            compared = index.compared(workload)
        yield Answers(
            title=f"{baseline.title} and {cell.title}",
            verdict=verdict.verdict if verdict is not None else None,
            sentence=verdict.sentence if verdict is not None else _said(theirs, ours),
            sides=apart((baseline.title, theirs), (cell.title, ours)),
            differ=theirs != ours,
            top=likeliest(verdict.first_difference, (baseline.title, cell.title), compared)
            if verdict is not None
            else None,
        )


def cells_of(index: Index, workload: Workload) -> list[CellResults]:
    """Each runtime's cell of a model and test, the baseline's first."""
    runtimes = (index.baseline, *index.implementations)
    return [index.cell(workload.model.name, workload.test.name, runtime.name) for runtime in runtimes]


def apart(theirs: tuple[str, str], ours: tuple[str, str]) -> tuple[Side, ...]:
    """Both texts, split where they first differ: at the beginning of a word."""
    texts = [printable_lines(redact(text, known())) for _, text in (theirs, ours)]
    at = _beginning(texts)
    if texts[0] == texts[1]:
        return (Side(f"{theirs[0]} and {ours[0]}", shortened(texts[0], LONGEST), None, ""),)
    return tuple(_side(title, text, at) for (title, _), text in zip((theirs, ours), texts, strict=True))


def _side(title: str, text: str, at: int) -> Side:
    same = text[:at] if at <= LONGEST // 2 else f"…{text[at - LONGEST // 2 : at]}"
    rest = text[at:]
    end = next((k for k, char in enumerate(rest) if char.isspace() and k > 0), len(rest))
    end = min(end, _WORD)
    return Side(title, same, rest[:end], shortened(rest[end:], LONGEST))


def _beginning(texts: Sequence[str]) -> int:
    """Where the first word that differs begins."""
    theirs, ours = texts
    pairs = enumerate(zip(theirs, ours, strict=False))
    at = next((k for k, (one, other) in pairs if one != other), min(len(theirs), len(ours)))
    if all(text[at : at + 1].isspace() or len(text) == at for text in texts):
        return at
    first = at
    while first > 0 and at - first < _WORD and not texts[0][first - 1].isspace():
        first -= 1
    return first if first == 0 or texts[0][first - 1].isspace() else at


def _text(cell: CellResults) -> str | None:
    """What the first measured trial that shows a text generated."""
    return next((trial.text for trial in cell.measured_trials() if trial.text), None)


def _said(theirs: str, ours: str) -> str:
    """Of texts that nothing has judged."""
    if theirs == ours:
        return "Both wrote the same text. No gate judges it."
    return "The texts differ. No gate judges whether that is more than honest engines differ by."


def likeliest(found: FirstDifference | None, titles: tuple[str, str], compared: Compared) -> Table | None:
    """The likeliest tokens of both sides at their first difference; None where neither scored it."""
    if found is None or not (found.their_top or found.our_top):
        return None
    theirs, ours = (_entries(top, compared) for top in (found.their_top, found.our_top))
    rows = tuple(
        (Marked(str(place + 1)), *(theirs[place : place + 1] or [_NONE])[0], *(ours[place : place + 1] or [_NONE])[0])
        for place in range(max(len(theirs), len(ours)))
    )
    headers = ("Rank", f"{titles[0]}: token", "log p", f"{titles[1]}: token", "log p")
    return Table(headers, rows, title=f"Likeliest tokens at token {found.at}, where the two first differ")


_NONE = (Marked(MISSING), Marked(MISSING))


def _entries(top: Top, compared: Compared) -> list[tuple[Marked, Marked]]:
    return [(Marked(named(token, compared)), Marked(f"{logprob:.4f}")) for token, logprob in top]


def named(token: int, compared: Compared) -> str:
    """`“ four” (4237)` where it is known what the token writes."""
    piece = compared.pieces.get(token)
    return f"“{piece.decode('utf-8', 'replace')}” ({token})" if piece else str(token)
