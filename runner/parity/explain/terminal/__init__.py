"""An explanation as text for a terminal."""

import io
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from parity.explain.records import CellExplained, Explained, MetricExplained, MetricLine, RunExplained
from parity.explain.terminal.diagnosis import print_diagnosis
from parity.explain.terminal.layout import (
    LABEL_WIDTH,
    MISSING,
    new_table,
    print_indented,
    print_title,
    print_verdict_lines,
    print_verdicts,
    shown_value,
    signed,
)
from parity.explain.terminal.metric import print_metric
from parity.explain.terminal.outputs import print_outputs
from parity.units import format_ratio
from parity.visible import printable


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
            print_metric(console, explained, round)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def _run(console: Console, run: RunExplained) -> None:
    print_title(console, f"{run.run}: cells and verdicts (baseline: {run.baseline})")
    if run.interrupted:
        console.print("The run was interrupted: this is what was measured until then.")
    for cell in run.cells:
        console.print()
        console.print(Text(printable(cell.name), style="bold"))
        print_indented(console, f"{cell.ran}.")
        print_verdict_lines(console, [f"{kind:<{LABEL_WIDTH}} {gate}" for gate, kind in cell.verdicts.items()])
    console.print()
    console.print(printable(f"Exit code {run.exit_code}: {run.exit_reason}"))
    _ask(console, run.ask)


def _cell(console: Console, cell: CellExplained) -> None:
    beside = f" beside {cell.baseline}" if cell.baseline else " (the baseline)"
    print_title(console, f"{cell.model}/{cell.test}/{cell.runtime}{beside}")
    console.print(printable(f"{cell.ran}."))
    for failure in cell.failures:
        print_indented(console, failure)
    for seen in cell.state:
        print_indented(console, seen, 6)
    print_verdicts(console, cell.verdicts)
    if cell.outputs is not None:
        print_outputs(console, cell.outputs)
    console.print()
    measured = [line for line in cell.metrics if line.value is not None]
    if measured:
        table = new_table("Metric", cell.runtime, *([cell.baseline, "Ratio or difference"] if cell.baseline else []))
        for line in measured:
            own, other = shown_value(line.value, line.unit), shown_value(line.baseline, line.unit)
            table.add_row(line.metric, own, *([other, _compared(line)] if cell.baseline else []))
        console.print(table)
    for reason, metrics in _by_reason(cell.metrics).items():
        console.print(printable(f"{', '.join(metrics)}: {reason}"))
    if cell.diagnosis is not None:
        print_diagnosis(console, cell.diagnosis)
    _ask(console, cell.ask)


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
    return MISSING if line.difference is None else signed(line.difference, line.unit)


def _ask(console: Console, commands: Sequence[str]) -> None:
    """Commands on lines of their own, whole, so that they can be copied."""
    if commands:
        console.print()
        console.print("To see more:")
    for line in commands:
        console.print(f"    {printable(line)}", soft_wrap=True)
