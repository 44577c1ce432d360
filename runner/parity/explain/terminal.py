"""An explanation as text for a terminal, in the order in which a verdict comes about."""

import io
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from parity.explain.records import (
    CellExplained,
    Explained,
    MetricExplained,
    MetricLine,
    Reading,
    Result,
    Round,
    RunExplained,
)
from parity.records import Interval, Scalar, Verdict
from parity.report.identity import beside
from parity.report.markdown import printable
from parity.units import format_difference, format_ratio, format_value

_MISSING = "—"
_MOST_VOID = 3
"""Void trials that are named in a terminal."""
_LABEL = 15
"""Columns of a verdict in front of its sentence."""


def render_explained(explained: Explained, width: int, *, colour: bool, round: int | None = None) -> str:
    """The explanation in `width` columns. `round`: the round whose lines are shown; by default a typical one."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=colour, no_color=not colour, highlight=False, markup=False)
    match explained:
        case RunExplained():
            _run(console, explained)
        case CellExplained():
            _cell(console, explained)
        case MetricExplained():
            _metric(console, explained, round)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def _run(console: Console, run: RunExplained) -> None:
    _title(console, f"{run.run}: cells and verdicts (baseline: {run.baseline})")
    if run.interrupted:
        console.print("The run was interrupted: this is what was measured until then.")
    for cell in run.cells:
        console.print()
        console.print(Text(printable(cell.name), style="bold"))
        _indented(console, f"{cell.ran}.")
        _verdict_lines(console, [f"{kind:<{_LABEL}} {gate}" for gate, kind in cell.verdicts.items()])
    console.print()
    console.print(printable(f"Exit code {run.exit_code}: {run.exit_reason}"))
    _ask(console, run.ask)


def _cell(console: Console, cell: CellExplained) -> None:
    beside = f" beside {cell.baseline}" if cell.baseline else " (the baseline)"
    _title(console, f"{cell.model}/{cell.test}/{cell.runtime}{beside}")
    console.print(printable(f"{cell.ran}."))
    for failure in cell.failures:
        _indented(console, failure)
    _verdicts(console, cell.verdicts)
    console.print()
    measured = [line for line in cell.metrics if line.value is not None]
    if measured:
        table = _table("Metric", cell.runtime, *([cell.baseline, "Ratio or difference"] if cell.baseline else []))
        for line in measured:
            own, other = _shown(line.value, line.unit), _shown(line.baseline, line.unit)
            table.add_row(line.metric, own, *([other, _compared(line)] if cell.baseline else []))
        console.print(table)
    for reason, metrics in _by_reason(cell.metrics).items():
        console.print(printable(f"{', '.join(metrics)}: {reason}"))
    _ask(console, cell.ask)


def _metric(console: Console, shown: MetricExplained, number: int | None) -> None:
    beside = f" beside {shown.baseline}" if shown.baseline else " (the baseline)"
    _title(console, f"{shown.metric} of {shown.model}/{shown.test}/{shown.runtime}{beside}")
    console.print(printable(f"{shown.title}: {shown.meaning}."))
    if shown.absent is not None:
        console.print(printable(f"No value to judge: {shown.absent}."))
    _lines(console, shown, number)
    _definition(console, shown)
    _rounds(console, shown)
    _result(console, shown)
    _identity(console, shown)
    _conditions(console, shown)
    if shown.verdicts:
        _heading(console, "Verdicts")
        _verdicts(console, shown.verdicts, gap=False)


def _lines(console: Console, shown: MetricExplained, number: int | None) -> None:
    """The lines of one round of both sides."""
    chosen = _typical(shown.rounds) if number is None else next((r for r in shown.rounds if r.round == number), None)
    if chosen is None:
        return
    _heading(console, f"Lines of round {chosen.round}")
    sides = [(shown.runtime, chosen.value), *([(shown.baseline, chosen.baseline)] if chosen.baseline else [])]
    for name, reading in sides:
        console.print(Text(printable(str(name)), style="bold"))
        if reading.reason is not None:
            _indented(console, printable(reading.reason))
        for file in reading.files:
            _sources(console, file, reading)
        if reading.worked is not None:
            _indented(console, reading.worked, by=2)


def _sources(console: Console, file: str, reading: Reading) -> None:
    console.print(Padding(printable(file), (0, 0, 0, 2)), soft_wrap=True)
    for source in reading.sources:
        if source.raw is not None and source.raw.file != file:
            continue
        at = f" at {source.at_s:.6f} s" if source.at_s is not None else ""
        _indented(console, f"{source.name}{at}: {source.what}", by=4)
        if source.raw is None:
            continue
        stream = f", {'stderr' if source.raw.stream == 'err' else 'stdout'}" if source.raw.stream else ""
        place = f" line {source.raw.stream_line}" if source.raw.stream_line is not None else ""
        read = f", read at {source.raw.arrived_s:.6f} s" if source.raw.arrived_s is not None else ""
        _indented(console, f"line {source.raw.line}{stream}{place}{read}", by=6)
        if source.raw.stream is not None:
            for line in source.raw.text.splitlines()[:3]:
                _indented(console, f"| {printable(line)}", by=6)


def _definition(console: Console, shown: MetricExplained) -> None:
    used = shown.definition
    if used is None:
        return
    _heading(console, "Definition")
    console.print(printable(f"{used.id}: {used.sentence}."))
    console.print(printable(f"It is {used.why}."))
    if used.bound is not None:
        console.print(printable(f"It gives only {'an' if used.bound == 'upper' else 'a'} {used.bound} bound."))
    if used.others:
        console.print(printable(f"Not used: {'; '.join(f'{name} ({why})' for name, why in used.others.items())}."))


def _rounds(console: Console, shown: MetricExplained) -> None:
    if not shown.rounds:
        return
    _heading(console, "Rounds")
    ratios = any(row.ratio is not None for row in shown.rounds)
    compared = [str(shown.baseline), "Ratio" if ratios else "Difference"] if shown.baseline else []
    table = _table("Round", shown.runtime, *compared)
    for row in shown.rounds:
        cells = [str(row.round), _shown(row.value.value, shown.unit)]
        if shown.baseline:
            cells.append(_shown(row.baseline.value if row.baseline else None, shown.unit))
            cells.append(_ratio_of(row, shown.unit))
        table.add_row(*cells)
    console.print(table)
    for row in shown.rounds:
        if row.left_out is not None:
            console.print(printable(f"Round {row.round} is left out: {row.left_out}."))


def _result(console: Console, shown: MetricExplained) -> None:
    result = shown.result
    if result is None:
        return
    _heading(console, "Interval")
    sides = [f"{shown.runtime} {_shown(result.value, shown.unit)}"]
    if shown.baseline and result.baseline is not None:
        sides.append(f"{shown.baseline} {_shown(result.baseline, shown.unit)}")
    rounds = f"{result.rounds} round{'' if result.rounds == 1 else 's'}"
    console.print(printable(f"{', '.join(sides)}, over {rounds}."))
    if (text := _estimate(result.ratio, result.difference, result.interval, shown.unit)) is not None:
        console.print(printable(text))
    if result.agreement is not None:
        console.print(printable(f"Both sides agree in {result.agreement:.0%} of the rounds."))
    console.print(printable(f"Method: {result.method}."))
    for widened in result.widened:
        console.print(printable(f"Widened {widened}."))
    _looks(console, shown, result)
    for doubt in result.doubts:
        console.print(printable(f"Doubt: {doubt}."))


def _looks(console: Console, shown: MetricExplained, result: Result) -> None:
    """How the interval narrowed, if it was looked at more than once."""
    if len(result.looks) < 2:
        return
    console.print()
    table = _table("After rounds", "Ratio" if result.ratio is not None else shown.metric, "Interval")
    for look in result.looks:
        ends = None if look.low is None or look.high is None else (look.low, look.high)
        if result.ratio is not None:
            between = f"[{ends[0]:.4g}, {ends[1]:.4g}]" if ends else _MISSING
            table.add_row(str(look.rounds), f"{look.centre:.4g}×", between)
        else:
            between = f"[{_shown(ends[0], shown.unit)}, {_shown(ends[1], shown.unit)}]" if ends else _MISSING
            table.add_row(str(look.rounds), _shown(look.centre, shown.unit), between)
    console.print(table)


def _estimate(ratio: float | None, difference: float | None, interval: Interval | None, unit: str) -> str | None:
    sure = f" at {interval.confidence:.4g} confidence" if interval is not None else ""
    ends = (interval.low, interval.high) if interval is not None else None
    if ratio is not None:
        between = f" [{ends[0]:.4g}, {ends[1]:.4g}]" if ends else ", no interval"
        return f"Ratio {ratio:.4g}×{between}{sure}."
    if difference is not None:
        within = f" [{_signed(ends[0], unit)}, {_signed(ends[1], unit)}]" if ends else ", no interval"
        return f"Difference {_signed(difference, unit)}{within}{sure}."
    if ends is not None:
        return f"Interval [{format_value(ends[0], unit)}, {format_value(ends[1], unit)}]{sure}."
    return None


def _identity(console: Console, shown: MetricExplained) -> None:
    if not shown.identity and not shown.departures:
        return
    _heading(console, "Identity")
    equal = [fact for fact in shown.identity if fact.standing == "equal"]
    told = [fact for fact in shown.identity if fact.standing != "equal"]
    if equal:
        console.print(printable("Equal: " + ", ".join(f"{f.fact} {_scalar(f.value)}" for f in equal) + "."))
    table = _table("Fact", shown.runtime, *([str(shown.baseline), "Standing"] if shown.baseline else []))
    for fact in told:
        both = [fact.fact, _scalar(fact.value)]
        table.add_row(*both, *([_scalar(fact.baseline), fact.standing] if shown.baseline else []))
    if told:
        console.print(table)
    for departure in shown.departures:
        console.print(printable(f"Departure: {departure}."))


def _conditions(console: Console, shown: MetricExplained) -> None:
    """What others did meanwhile; trials that don't count are named with the reason."""
    if not shown.conditions:
        return
    _heading(console, "Conditions")
    table = _table("Round", "Runtime", "Others' CPU", "CPU pressure", "Throttled", "Swapped", "Page cache")
    for row in shown.conditions:
        table.add_row(
            f"{row.round}{' short' if row.kind == 'short' else ''}{' void' if row.void is not None else ''}",
            row.runtime,
            _MISSING if row.others_cpu is None else f"{row.others_cpu:.2f} cores",
            _share(row.cpu_pressure),
            _shown(row.throttled_s, "s"),
            _shown(row.swapped_bytes, "bytes"),
            _share(row.page_cache),
        )
    console.print(table)
    void = [row for row in shown.conditions if row.void is not None]
    for row in void[:_MOST_VOID]:
        counts = "" if row.counts else ", and does not count"
        console.print(printable(f"{row.file} is void{counts}: {row.void}."))
    if len(void) > _MOST_VOID:
        console.print(f"{len(void) - _MOST_VOID} more trials are void; --json names each with its reason.")


def _share(value: float | None) -> str:
    return _MISSING if value is None else f"{value:.0%}"


def _verdicts(console: Console, verdicts: Sequence[Verdict], *, gap: bool = True) -> None:
    if verdicts and gap:
        console.print()
    lines = []
    for verdict in verdicts:
        advice = "" if verdict.required else " (advice)"
        of = f" · {verdict.runtime}" if verdict.compares else ""
        lines.append(f"{verdict.verdict:<{_LABEL}} {verdict.gate}{of}{advice}: {beside(verdict)}")
    _verdict_lines(console, lines)


def _verdict_lines(console: Console, lines: Iterable[str]) -> None:
    """Each line with its verdict in a column of its own."""
    table = Table.grid(padding=(0, 1))
    table.add_column(min_width=_LABEL, no_wrap=True)
    table.add_column(overflow="fold")
    for line in lines:
        table.add_row(line[:_LABEL].rstrip(), printable(line[_LABEL + 1 :]))
    if table.row_count:
        console.print(table)


def _typical(rounds: Sequence[Round]) -> Round | None:
    """The round whose ratio (or value) is the median; any round where none has one."""
    valued = sorted(
        ((row.ratio if row.ratio is not None else row.value.value, row.round, row) for row in rounds),
        key=lambda found: (found[0] is None, found[0] or 0.0, found[1]),
    )
    count = sum(value is not None for value, _, _ in valued)
    return valued[(count - 1) // 2][2] if valued else None


def _by_reason(lines: Sequence[MetricLine]) -> dict[str, list[str]]:
    """Reasons why a metric has no value or no comparison → the metrics."""
    found: dict[str, list[str]] = {}
    for line in lines:
        if line.reason is not None:
            found.setdefault(line.reason, []).append(line.metric)
    return found


def _compared(line: MetricLine) -> str:
    ends = (line.interval.low, line.interval.high) if line.interval is not None else None
    if line.ratio is not None:
        return format_ratio(line.ratio, ends)
    return _MISSING if line.difference is None else _signed(line.difference, line.unit)


def _ratio_of(row: Round, unit: str) -> str:
    if row.ratio is not None:
        return f"{row.ratio:.4g}×"
    return _MISSING if row.difference is None else _signed(row.difference, unit)


def _signed(value: float, unit: str) -> str:
    return format_difference(value, unit)


def _shown(value: float | None, unit: str) -> str:
    return _MISSING if value is None else format_value(value, unit)


def _scalar(value: Scalar) -> str:
    if value is None:
        return "not shown"
    text = str(value)
    return printable(text if len(text) <= 40 else f"{text[:12]}…")


def _table(*headers: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for header in headers:
        table.add_column(printable(header), overflow="fold")
    return table


def _title(console: Console, text: str) -> None:
    console.print(Text(printable(text), style="bold"))
    console.print("=" * min(console.width, len(printable(text))))


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Text(printable(text), style="bold"))
    console.print("-" * min(console.width, len(printable(text))))


def _indented(console: Console, text: str, by: int = 4) -> None:
    console.print(Padding(printable(text), (0, 0, 0, by)))


def _ask(console: Console, commands: Mapping[str, str] | Sequence[str]) -> None:
    """Commands on lines of their own, whole, so that they can be copied."""
    if commands:
        console.print()
        console.print("To see more:")
    for line in commands:
        console.print(f"    {printable(line)}", soft_wrap=True)
