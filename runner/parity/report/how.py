"""How the figures of one table were measured: prompts, definitions, rounds, and what can't be known."""

from parity.reading.dictionary import only_a_bound
from parity.records import Identity
from parity.report.delta import Row
from parity.report.index import CellResults, Pair, metric_title
from parity.units import format_value


def prompts(pair: Pair) -> list[str]:
    """Whether both sides were given the same prompt ids; nothing where the report has no record of them."""
    if pair.implementation is None:
        return []
    sides = [_identities(side) for side in (pair.baseline, pair.implementation)]
    shared = sorted(sides[0].keys() & sides[1].keys())
    if not shared:
        return []
    pairs = [(sides[0][number], sides[1][number]) for number in shared]
    one, other = next((both for both in pairs if not _same_ids(*both)), pairs[0])
    if _same_ids(one, other):
        named = [side.title for side, entry in zip(pair.sides, (one, other), strict=True) if entry.prompt_retokenised]
        how = f" (of {' and '.join(named)}: computed by tokenising the sent text again)" if named else ""
        return [f"Prompts: the same {one.prompt_tokens} ids on both sides{how}."]
    lengths = f"{_length(one)} and {_length(other)}"
    if one.prompt_ids_sha256 is None or other.prompt_ids_sha256 is None:
        return [f"Prompts: not every side reported its ids; {lengths}."]
    return [f"Prompts: the ids differ; {lengths}."]


def not_known(pair: Pair) -> list[str]:
    """The time to the first token of each side of which only the first text was observed."""
    lines = []
    for side in pair.sides:
        found = side.summary("ttft_s")
        if found is None or found.centre is None or only_a_bound("ttft_s", found.definition) is None:
            continue
        why = _burst(side) or "its text may be buffered, so the time of its first text is an upper bound"
        lines.append(f"Not known: {metric_title('ttft_s')} of {side.title} ({why}).")
    return lines


def definitions(rows: list[Row]) -> list[str]:
    """The definition that each row uses, rows of one definition together."""
    titles: dict[str, list[str]] = {}
    for row in rows:
        entries = (row.baseline, row.implementation)
        for definition in dict.fromkeys(e.definition for e in entries if e and e.definition):
            titles.setdefault(definition, []).append(row.title)
    if not titles:
        return []
    listed = "; ".join(f"{', '.join(rows)}: {definition}" for definition, rows in titles.items())
    return [f"Definitions: {listed}."]


def rounds(pair: Pair) -> list[str]:
    """Over how many rounds the ratios are, and their confidence."""
    comparisons = list(pair.implementation.comparisons.values()) if pair.implementation else []
    counts = sorted({c.rounds for c in comparisons if c.ratio is not None})
    if not counts:
        return []
    spans = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    confidence = sorted({c.interval.confidence for c in comparisons if c.interval})
    levels = f", with {', '.join(f'{level:.0%}' for level in confidence)} confidence intervals" if confidence else ""
    return [f"Ratios: from {spans} round{'' if spans == '1' else 's'}{levels}."]


def empty_rows(rows: list[Row]) -> list[str]:
    """One line for each reason of which whole rows are missing."""
    titles: dict[str, list[str]] = {}
    for row in rows:
        entries = (row.baseline, row.implementation)
        reasons = dict.fromkeys(note for entry in entries if entry for note in entry.notes)
        titles.setdefault("; ".join(reasons), []).append(row.title)
    return [f"Not measured on any side: {', '.join(names)}: {reason}" for reason, names in titles.items()]


def further_figures(side: CellResults, rows: list[Row], *, is_baseline: bool) -> list[str]:
    """Figures by definitions that no row shows, as a cross-check: the runtime's own, mostly."""
    used = {
        (row.metric, entry.definition)
        for row in rows
        if (entry := row.baseline if is_baseline else row.implementation) is not None
    }
    return [
        f"Also {side.title}, {metric_title(s.metric)}: {format_value(s.centre, s.unit)} (definition: {s.definition})"
        for s in side.summaries
        if s.centre is not None and (s.metric, s.definition) not in used
    ]


def _identities(side: CellResults) -> dict[int, Identity]:
    return {trial.round: trial.identity for trial in side.measured_trials() if trial.identity is not None}


def _same_ids(one: Identity, other: Identity) -> bool:
    return one.prompt_ids_sha256 is not None and one.prompt_ids_sha256 == other.prompt_ids_sha256


def _length(entry: Identity) -> str:
    return "an unknown number of tokens" if entry.prompt_tokens is None else f"{entry.prompt_tokens} tokens"


def _burst(side: CellResults) -> str | None:
    """Why the arrival of its text gives no rate, where it gives none."""
    reasons = [
        measurement.reason
        for trial in side.measured_trials()
        for measurement in trial.measurements
        if measurement.definition == "chunk-interval"
    ]
    return reasons[0] if reasons and None not in reasons else None
