"""A metric's explanation, in the order in which a verdict comes about."""

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from parity.explain.records import MetricExplained, Reading, Result, Round
from parity.explain.terminal.layout import (
    MISSING,
    new_table,
    percent,
    print_heading,
    print_indented,
    print_title,
    print_verdicts,
    scalar,
    shown_value,
    signed,
)
from parity.records import Interval
from parity.units import format_value, plural
from parity.visible import printable

_MOST_VOID = 3
"""Void trials that are named in a terminal."""


def print_metric(console: Console, shown: MetricExplained, number: int | None) -> None:
    """Everything that is known of a metric of a cell. `number`: the round whose lines are shown."""
    beside = f" beside {shown.baseline}" if shown.baseline else " (the baseline)"
    print_title(console, f"{shown.metric} of {shown.model}/{shown.test}/{shown.runtime}{beside}")
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
        print_heading(console, "Verdicts")
        print_verdicts(console, shown.verdicts, gap=False)


def _lines(console: Console, shown: MetricExplained, number: int | None) -> None:
    """The lines of one round of both sides."""
    chosen = _typical(shown.rounds) if number is None else next((r for r in shown.rounds if r.round == number), None)
    if chosen is None:
        return
    print_heading(console, f"Lines of round {chosen.round}")
    sides = [(shown.runtime, chosen.value), *([(shown.baseline, chosen.baseline)] if chosen.baseline else [])]
    for name, reading in sides:
        console.print(Text(printable(str(name)), style="bold"))
        if reading.reason is not None:
            print_indented(console, printable(reading.reason))
        for file in reading.files:
            _sources(console, file, reading)
        if reading.worked is not None:
            print_indented(console, reading.worked, by=2)


def _sources(console: Console, file: str, reading: Reading) -> None:
    console.print(Padding(printable(file), (0, 0, 0, 2)), soft_wrap=True)
    for source in reading.sources:
        if source.raw is not None and source.raw.file != file:
            continue
        at = f" at {source.at_s:.6f} s" if source.at_s is not None else ""
        print_indented(console, f"{source.name}{at}: {source.what}", by=4)
        if source.raw is None:
            continue
        stream = f", {'stderr' if source.raw.stream == 'err' else 'stdout'}" if source.raw.stream else ""
        place = f" line {source.raw.stream_line}" if source.raw.stream_line is not None else ""
        read = f", read at {source.raw.arrived_s:.6f} s" if source.raw.arrived_s is not None else ""
        print_indented(console, f"line {source.raw.line}{stream}{place}{read}", by=6)
        if source.raw.stream is not None:
            for line in source.raw.text.splitlines()[:3]:
                print_indented(console, f"| {printable(line)}", by=6)


def _definition(console: Console, shown: MetricExplained) -> None:
    used = shown.definition
    if used is None:
        return
    print_heading(console, "Definition")
    console.print(printable(f"{used.id}: {used.sentence}."))
    console.print(printable(f"It is {used.why}."))
    if used.bound is not None:
        console.print(printable(f"It gives only {'an' if used.bound == 'upper' else 'a'} {used.bound} bound."))
    if used.others:
        console.print(printable(f"Not used: {'; '.join(f'{name} ({why})' for name, why in used.others.items())}."))


def _rounds(console: Console, shown: MetricExplained) -> None:
    if not shown.rounds:
        return
    print_heading(console, "Rounds")
    ratios = any(row.ratio is not None for row in shown.rounds)
    compared = [str(shown.baseline), "Ratio" if ratios else "Difference"] if shown.baseline else []
    table = new_table("Round", shown.runtime, *compared)
    for row in shown.rounds:
        cells = [str(row.round), shown_value(row.value.value, shown.unit)]
        if shown.baseline:
            cells.append(shown_value(row.baseline.value if row.baseline else None, shown.unit))
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
    print_heading(console, "Interval")
    sides = [f"{shown.runtime} {shown_value(result.value, shown.unit)}"]
    if shown.baseline and result.baseline is not None:
        sides.append(f"{shown.baseline} {shown_value(result.baseline, shown.unit)}")
    rounds = plural(result.rounds, "round")
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
    table = new_table("After rounds", "Ratio" if result.ratio is not None else shown.metric, "Interval")
    for look in result.looks:
        ends = None if look.low is None or look.high is None else (look.low, look.high)
        if result.ratio is not None:
            between = f"[{ends[0]:.4g}, {ends[1]:.4g}]" if ends else MISSING
            table.add_row(str(look.rounds), f"{look.centre:.4g}×", between)
        else:
            between = f"[{shown_value(ends[0], shown.unit)}, {shown_value(ends[1], shown.unit)}]" if ends else MISSING
            table.add_row(str(look.rounds), shown_value(look.centre, shown.unit), between)
    console.print(table)


def _estimate(ratio: float | None, difference: float | None, interval: Interval | None, unit: str) -> str | None:
    sure = f" at {interval.confidence:.4g} confidence" if interval is not None else ""
    ends = (interval.low, interval.high) if interval is not None else None
    if ratio is not None:
        between = f" [{ends[0]:.4g}, {ends[1]:.4g}]" if ends else ", no interval"
        return f"Ratio {ratio:.4g}×{between}{sure}."
    if difference is not None:
        within = f" [{signed(ends[0], unit)}, {signed(ends[1], unit)}]" if ends else ", no interval"
        return f"Difference {signed(difference, unit)}{within}{sure}."
    if ends is not None:
        return f"Interval [{format_value(ends[0], unit)}, {format_value(ends[1], unit)}]{sure}."
    return None


def _identity(console: Console, shown: MetricExplained) -> None:
    if not shown.identity and not shown.departures:
        return
    print_heading(console, "Identity")
    equal = [fact for fact in shown.identity if fact.standing == "equal"]
    told = [fact for fact in shown.identity if fact.standing != "equal"]
    if equal:
        console.print(printable("Equal: " + ", ".join(f"{f.fact} {scalar(f.value)}" for f in equal) + "."))
    table = new_table("Fact", shown.runtime, *([str(shown.baseline), "Standing"] if shown.baseline else []))
    for fact in told:
        both = [fact.fact, scalar(fact.value)]
        table.add_row(*both, *([scalar(fact.baseline), fact.standing] if shown.baseline else []))
    if told:
        console.print(table)
    for departure in shown.departures:
        console.print(printable(f"Departure: {departure}."))


def _conditions(console: Console, shown: MetricExplained) -> None:
    """What others did meanwhile; trials that don't count are named with the reason."""
    if not shown.conditions:
        return
    print_heading(console, "Conditions")
    table = new_table("Round", "Runtime", "Others' CPU", "CPU pressure", "Throttled", "Swapped", "Page cache")
    for row in shown.conditions:
        table.add_row(
            f"{row.round}{' short' if row.kind == 'short' else ''}{' void' if row.void is not None else ''}",
            row.runtime,
            MISSING if row.others_cpu is None else f"{row.others_cpu:.2f} cores",
            percent(row.cpu_pressure),
            shown_value(row.throttled_s, "s"),
            shown_value(row.swapped_bytes, "bytes"),
            percent(row.page_cache),
        )
    console.print(table)
    void = [row for row in shown.conditions if row.void is not None]
    for row in void[:_MOST_VOID]:
        counts = "" if row.counts else ", and does not count"
        console.print(printable(f"{row.file} is void{counts}: {row.void}."))
    if len(void) > _MOST_VOID:
        console.print(f"{len(void) - _MOST_VOID} more trials are void; --json names each with its reason.")


def _typical(rounds: Sequence[Round]) -> Round | None:
    """The round whose ratio (or value) is the median; any round where none has one."""
    valued = sorted(
        ((row.ratio if row.ratio is not None else row.value.value, row.round, row) for row in rounds),
        key=lambda found: (found[0] is None, found[0] or 0.0, found[1]),
    )
    count = sum(value is not None for value, _, _ in valued)
    return valued[(count - 1) // 2][2] if valued else None


def _ratio_of(row: Round, unit: str) -> str:
    if row.ratio is not None:
        return f"{row.ratio:.4g}×"
    return MISSING if row.difference is None else signed(row.difference, unit)
