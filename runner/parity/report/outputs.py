"""What each implementation computed beside the baseline: a row for each that was judged, and first differences."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from parity.records import FirstDifference, OutputVerdict, Rung, Span, Tolerance, Top
from parity.report.delta import MISSING
from parity.report.exact import exact_lines
from parity.report.index import Index
from parity.report.view import Marked, Table
from parity.units import format_nats, format_times

_STATES = {"same": "same", "within": "within tolerance", "differs": "differs", "not shown": "not shown"}
_SHOWN_TOP = 3
"""Tokens of a top-k list that a line has room for."""


@dataclass(frozen=True)
class Titled:
    """A verdict, with what its cell and the two sides are called."""

    verdict: OutputVerdict
    where: str
    theirs: str
    ours: str


def outputs_table(index: Index) -> Table | None:
    """None where no gate asked for it. What rungs show, and why some don't, stands in notes."""
    found = index.report.outputs
    if not found:
        return None
    titled = [
        Titled(
            verdict,
            index.cell_title(verdict.model, verdict.test, verdict.runtime),
            index.baseline.title,
            index.runtime_title(verdict.runtime),
        )
        for verdict in found
    ]
    table = table_of(titled)
    exact = [line for verdict in found for line in exact_lines(index, verdict)]
    return replace(table, how=tuple(dict.fromkeys((*table.how, *exact))))


def table_of(found: Sequence[Titled], of: str = "Runtime", title: str = "") -> Table:
    """A row for each verdict. `of`: the header of what the rows are of."""
    notes = _Notes()
    rows = tuple(_row(one, notes) for one in found)
    headers = (of, "Verdict", "Prompt", "Answer", "Log-probs", "Needed")
    below = [line for one in found for line in _below(one)]
    return Table(headers, rows, tuple(notes.lines), tuple(dict.fromkeys(below)), title)


class _Notes:
    """Numbers the notes of the table; the same note is one line."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def mark(self, text: str) -> tuple[int, ...]:
        if text not in self._texts:
            self._texts.append(text)
        return (self._texts.index(text) + 1,)

    @property
    def lines(self) -> list[str]:
        return [f"[{number}] {text}" for number, text in enumerate(self._texts, start=1)]


def _row(one: Titled, notes: _Notes) -> tuple[Marked, ...]:
    verdict = one.verdict
    rungs = {rung.name: rung for rung in verdict.rungs}
    continuation = [rungs[name] for name in ("greedy", "text") if name in rungs]
    accepted = notes.mark(f"accepted: {verdict.declared}") if verdict.is_accepted else ()
    return (
        Marked(one.where),
        Marked(f"{verdict.verdict}{', accepted' if accepted else ''}", accepted),
        _entry(rungs["prompt"], notes),
        _continuation(continuation, notes),
        _scores(verdict, rungs.get("scores"), notes),
        Marked(f"{format_times(verdict.needed)}×" if verdict.needed is not None else MISSING),
    )


def _entry(rung: Rung, notes: _Notes) -> Marked:
    return Marked(_STATES[rung.state], () if rung.state == "same" else notes.mark(rung.detail))


def _continuation(rungs: Sequence[Rung], notes: _Notes) -> Marked:
    """By ids where they were compared, by text otherwise."""
    *_, last = rungs
    marks = tuple(mark for rung in rungs for mark in notes.mark(rung.detail))
    by_text = "text " if last.name == "text" and last.state != "not shown" else ""
    return Marked(f"{by_text}{_STATES[last.state]}", marks)


def _scores(verdict: OutputVerdict, rung: Rung | None, notes: _Notes) -> Marked:
    if rung is None or verdict.distances is None:
        return Marked(MISSING, () if rung is None else notes.mark(rung.detail))
    found = verdict.distances
    return Marked(f"{_STATES[rung.state]}: KL {format_nats(found.mean_kl)}, |Δ| {format_nats(found.largest_delta)}")


def _below(one: Titled) -> Iterator[str]:
    verdict, where = one.verdict, one.where
    if verdict.first_difference is not None:
        yield f"{where}: {_difference(one, verdict.first_difference)}."
    if (found := verdict.distances) is not None:
        generated = f"{found.positions} positions, {found.continuation} of them generated"
        yield (
            f"{where}, over {generated}: KL at least {format_nats(found.mean_kl, 3)} nats (mean) and "
            f"{format_nats(found.p99_kl, 3)} (99th percentile), with a probability of {found.outside:.2g} outside the "
            f"tokens that both sides list; largest |Δ log p| {format_nats(found.largest_delta, 3)} at position "
            f"{found.largest_at}{_widest(one)}; same likeliest token {found.same_top:.1%}; perplexity "
            f"{_perplexity(found.perplexity)}, {one.theirs} {_perplexity(found.baseline_perplexity)}."
        )
    if verdict.tolerance is not None and verdict.needed is not None:
        passes = f": {_span(verdict.would_pass)} would have passed" if verdict.would_pass is not None else ""
        needs = f"{where} needs {format_times(verdict.needed)}× the tolerance{passes}"
        yield f"{needs}. Allowed: {_tolerance(verdict.tolerance)}."


def _widest(one: Titled) -> str:
    """Both lists at the position where the two are farthest apart, unless they pass or these lists are shown above."""
    found, first = one.verdict.widest, one.verdict.first_difference
    if found is None or one.verdict.verdict in ("IDENTICAL", "EQUIVALENT"):
        return ""
    if first is not None and first.position == found.position:
        return ""
    sides = (
        (one.theirs, found.theirs, found.their_top),
        (one.ours, found.ours, found.our_top),
    )
    said = (f"{name} {logprob:.4f} (likeliest: {_listed(top)})" for name, logprob, top in sides)
    return f", of id {found.id}: {', '.join(said)}"


def _listed(top: Top) -> str:
    return ", ".join(f"{token} {logprob:.4f}" for token, logprob in top[:_SHOWN_TOP])


def _difference(one: Titled, found: FirstDifference) -> str:
    said = f"first difference at {found.unit} {found.at}: {found.theirs} ({one.theirs}) and {found.ours} ({one.ours})"
    for name, margin, top in (
        (one.theirs, found.their_margin, found.their_top),
        (one.ours, found.our_margin, found.our_top),
    ):
        if margin is not None:
            said += f"; {name} prefers {margin.preferred} (likeliest: {_listed(top)})"
    return said


def _span(span: Span) -> str:
    mean, p99, delta = (format_nats(nats) for nats in (span.mean_kl, span.p99_kl, span.delta))
    return f"mean KL {mean}, 99th percentile {p99}, |Δ log p| {delta}"


def _perplexity(value: float) -> str:
    return f"{value:.4g}" if value < 10_000 else f"{value:,.0f}"


def _tolerance(found: Tolerance) -> str:
    allowed = found.allowed
    said = (
        f"mean KL {allowed.mean_kl:.2g} nats, 99th percentile {allowed.p99_kl:.2g}, |Δ log p| "
        f"{allowed.delta:.2g}, both margins at a near-tie {allowed.odds:.2g} in all ({found.source})"
    )
    if found.references is None:
        return f"{said}; no other runtime scored the same ids"
    spread = found.references
    return f"{said}; the other runtimes differ from each other by up to {_span(spread)}, {found.farthest} most"
