"""On which footing an implementation and the baseline were compared, and what can't be known of a side that shows text
but no tokens."""

from parity.reading.dictionary import only_a_bound
from parity.records import LedgerEntry, Report, Trial
from parity.report.rows import Row, metric_title, runtime_title, summary_of


def footing(report: Report, model: str, test: str, implementation: str | None) -> list[str]:
    """A line on the prompts of the two sides, and one for each side of which something can't be known; none for what
    the report has no record of."""
    sides = [report.baseline, *([implementation] if implementation else [])]
    return [
        *(_prompts(report, model, test, report.baseline, implementation) if implementation else ()),
        *_unknown(report, model, test, sides),
    ]


def definitions(rows: list[Row]) -> list[str]:
    """By which definition each row was had, rows of one definition together."""
    titles: dict[str, list[str]] = {}
    for row in rows:
        figures = (row.baseline, row.implementation)
        for definition in dict.fromkeys(f.definition for f in figures if f and f.definition):
            titles.setdefault(definition, []).append(row.title)
    if not titles:
        return []
    listed = "; ".join(f"{', '.join(rows)} by {definition}" for definition, rows in titles.items())
    return [f"Definitions: {listed}."]


def _prompts(report: Report, model: str, test: str, baseline: str, implementation: str) -> list[str]:
    sides = [_ledgers(report, model, test, name) for name in (baseline, implementation)]
    shared = sorted(sides[0].keys() & sides[1].keys())
    if not shared:
        return []
    pairs = [(sides[0][number], sides[1][number]) for number in shared]
    one, other = next((pair for pair in pairs if not _same_ids(*pair)), pairs[0])
    if _same_ids(one, other):
        named = [
            runtime_title(report, name)
            for name, entry in ((baseline, one), (implementation, other))
            if entry.prompt_retokenised
        ]
        how = f"; those of {' and '.join(named)} are of the text that was sent, tokenised again" if named else ""
        return [f"Prompts: the same {one.prompt_tokens} ids on both sides{how}."]
    lengths = f"{_length(one)} against {_length(other)}"
    if one.prompt_ids_sha256 is None or other.prompt_ids_sha256 is None:
        return [f"Prompts: a side did not show its ids; {lengths}."]
    return [f"Prompts: the ids differ; {lengths}."]


def _ledgers(report: Report, model: str, test: str, runtime: str) -> dict[int, LedgerEntry]:
    return {trial.round: trial.ledger for trial in _measured(report, model, test, runtime) if trial.ledger is not None}


def _measured(report: Report, model: str, test: str, runtime: str) -> list[Trial]:
    return [
        trial
        for trial in report.trials
        if (trial.model, trial.test, trial.runtime) == (model, test, runtime)
        and trial.kind == "full"
        and not trial.warmup
        and trial.failure is None
    ]


def _same_ids(one: LedgerEntry, other: LedgerEntry) -> bool:
    return one.prompt_ids_sha256 is not None and one.prompt_ids_sha256 == other.prompt_ids_sha256


def _length(entry: LedgerEntry) -> str:
    return "an unknown number of tokens" if entry.prompt_tokens is None else f"{entry.prompt_tokens} tokens"


def _unknown(report: Report, model: str, test: str, sides: list[str]) -> list[str]:
    """The time to the first token of those whose first text is all that was seen of it."""
    lines = []
    for name in sides:
        found = summary_of(report, model, test, name, "ttft_s")
        if found is None or found.centre is None or only_a_bound("ttft_s", found.definition) is None:
            continue
        burst = _burst(report, model, test, name)
        why = burst or "its text may be held back, so its first text is an upper bound"
        lines.append(f"Not known: {metric_title('ttft_s')} of {runtime_title(report, name)} ({why}).")
    return lines


def _burst(report: Report, model: str, test: str, runtime: str) -> str | None:
    """Why no rate could be had of the arrival of its text, where none could."""
    reasons = [
        measurement.reason
        for trial in _measured(report, model, test, runtime)
        for measurement in trial.measurements
        if measurement.definition == "chunk-interval"
    ]
    return reasons[0] if reasons and None not in reasons else None
