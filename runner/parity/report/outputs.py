"""What each implementation computed beside the baseline: a row for each that was judged, and first differences."""

from collections.abc import Iterator, Sequence

from parity.records import FirstDifference, OutputVerdict, Rung, Span, Tolerance, Top
from parity.report.delta import MISSING
from parity.report.exact import exact_lines
from parity.report.index import Index
from parity.report.view import Marked, Table
from parity.units import format_nats, format_times

_STATES = {"same": "same", "within": "within tolerance", "differs": "differs", "not shown": "not shown"}
_SHOWN_TOP = 3
"""Tokens of a top-k list that a line has room for."""


def outputs_table(index: Index) -> Table | None:
    """None where no gate asked for it. What rungs show, and why some don't, stands in notes."""
    found = index.report.outputs
    if not found:
        return None
    notes = _Notes()
    rows = tuple(_row(index, verdict, notes) for verdict in found)
    headers = ("Runtime", "Verdict", "Prompt", "Answer", "Log-probs", "Needed")
    below = [line for verdict in found for line in _below(index, verdict)]
    below += [line for verdict in found for line in exact_lines(index, verdict)]
    return Table(headers, rows, tuple(notes.lines), tuple(dict.fromkeys(below)))


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


def _row(index: Index, verdict: OutputVerdict, notes: _Notes) -> tuple[Marked, ...]:
    rungs = {rung.name: rung for rung in verdict.rungs}
    continuation = [rungs[name] for name in ("greedy", "text") if name in rungs]
    accepted = notes.mark(f"accepted: {verdict.declared}") if verdict.is_accepted else ()
    return (
        Marked(index.cell_title(verdict.model, verdict.test, verdict.runtime)),
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


def _below(index: Index, verdict: OutputVerdict) -> Iterator[str]:
    where = index.cell_title(verdict.model, verdict.test, verdict.runtime)
    if verdict.first_difference is not None:
        yield f"{where}: {_difference(index, verdict, verdict.first_difference)}."
    if (found := verdict.distances) is not None:
        generated = f"{found.positions} positions, {found.continuation} of them generated"
        yield (
            f"{where}, over {generated}: KL at least {format_nats(found.mean_kl, 3)} nats (mean) and "
            f"{format_nats(found.p99_kl, 3)} (99th percentile), with a probability of {found.outside:.2g} outside the "
            f"tokens that both sides list; largest |Δ log p| {format_nats(found.largest_delta, 3)} at position "
            f"{found.largest_at}{_widest(index, verdict)}; same likeliest token {found.same_top:.1%}; perplexity "
            f"{_perplexity(found.perplexity)}, {index.baseline.title} {_perplexity(found.baseline_perplexity)}."
        )
    if verdict.tolerance is not None and verdict.needed is not None:
        passes = f": {_span(verdict.would_pass)} would have passed" if verdict.would_pass is not None else ""
        needs = f"{where} needs {format_times(verdict.needed)}× the tolerance{passes}"
        yield f"{needs}. Allowed: {_tolerance(verdict.tolerance)}."


def _widest(index: Index, verdict: OutputVerdict) -> str:
    """Both lists at the position where the two are farthest apart, unless they pass or these lists are shown above."""
    found, first = verdict.widest, verdict.first_difference
    if found is None or verdict.verdict in ("IDENTICAL", "EQUIVALENT"):
        return ""
    if first is not None and first.position == found.position:
        return ""
    sides = (
        (index.baseline.title, found.theirs, found.their_top),
        (index.runtime_title(verdict.runtime), found.ours, found.our_top),
    )
    said = (f"{name} {logprob:.4f} (likeliest: {_listed(top)})" for name, logprob, top in sides)
    return f", of id {found.id}: {', '.join(said)}"


def _listed(top: Top) -> str:
    return ", ".join(f"{token} {logprob:.4f}" for token, logprob in top[:_SHOWN_TOP])


def _difference(index: Index, verdict: OutputVerdict, found: FirstDifference) -> str:
    baseline, ours = index.baseline.title, index.runtime_title(verdict.runtime)
    said = f"first difference at {found.unit} {found.at}: {found.theirs} ({baseline}) and {found.ours} ({ours})"
    for name, margin, top in (
        (baseline, found.their_margin, found.their_top),
        (ours, found.our_margin, found.our_top),
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
        f"mean KL {allowed.mean_kl:.2g} nats, 99th percentile {allowed.p99_kl:.2g}, |Δ log p| and margins at a "
        f"near-tie {allowed.delta:.2g} ({found.source})"
    )
    if found.references is None:
        return f"{said}; no other runtime scored the same ids"
    spread = found.references
    return f"{said}; the other runtimes differ from each other by up to {_span(spread)}, {found.farthest} most"
