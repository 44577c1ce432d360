"""What a run ends with: the delta tables, the verdicts, what failed and why, and the exit code."""

from parity.records import ModelFacts, Report, RuntimeReport, Scalar, TestSpec, Trial
from parity.report.footing import definitions, footing
from parity.report.layout import Layout, Style
from parity.report.rows import (
    MISSING,
    Footnotes,
    Row,
    baseline_of,
    cells_of,
    delta_rows,
    implementations_of,
    metric_title,
    other_figures,
    rounds_of,
    runtime_title,
    split_empty,
)
from parity.units import format_value

_LONGEST_PROMPT = 120
_HOW_LINES = 2
"""Lines that say how one table was had: definitions, rounds."""
_SETTINGS_FIRST = (
    *("device", "threads", "tokio_worker_threads", "rayon_num_threads"),
    *("profile", "build_profile", "features", "build_features", "build_target_cpu"),
    *("context", "batch", "kv_type", "flash_attention", "seed"),
)


def render_table(report: Report, *, width: int | None, style: Style) -> str:
    """The whole report as text that needs no colour. `width`: columns of terminal text, None for any.

    Every summary and verdict is in it; a value that was not seen is `—` with its reason in a footnote.
    """
    layout = Layout(style, width)
    _head(layout, report)
    said: set[str] = set()
    for model, test in cells_of(report):
        _cell(layout, report, model, test, said)
    _verdicts(layout, report)
    _failures(layout, report)
    _warnings(layout, report)
    _runtimes(layout, report)
    layout.paragraph(f"Exit code {report.exit.code}: {report.exit.reason}")
    return layout.text()


def _head(layout: Layout, report: Report) -> None:
    baseline = baseline_of(report)
    layout.heading(f"{report.name}: parity with {baseline.title}", 1)
    machine = ", ".join(_fact(key, value) for key, value in report.machine.items())
    facts = [("Run", f"{report.run}, {report.started}, parity {report.parity_version}"), ("Machine", machine)]
    layout.items([*facts, *(("Model", _model_line(model)) for model in report.models)])
    if report.interrupted:
        layout.paragraph("The run was interrupted: what follows is what was measured until then.")
    if _compared(report):
        layout.paragraph(
            "A Delta reads: difference (ratio [interval of the ratio]); the implementation minus, and over, "
            f"{baseline.title}."
        )


def _model_line(model: ModelFacts) -> str:
    census = ", ".join(f"{kind} ×{count}" for kind, count in model.quantisation.items())
    parameters = f"{model.parameters / 1e6:.1f} M parameters" if model.parameters is not None else ""
    size = format_value(model.size_bytes, "bytes")
    origin = "synthetic weights" if model.synthetic else ""
    facts = (origin, model.architecture or "", parameters, census, size, f"sha256 {model.sha256[:12]}")
    return f"{model.title}: {', '.join(fact for fact in facts if fact)}"


def _cell(layout: Layout, report: Report, model: ModelFacts, test: TestSpec, said: set[str]) -> None:
    """The tables of one model and test, one an implementation. `said`: how the tables above were had; it grows."""
    asked = test.query or test.prompt
    prompt = asked if len(asked) <= _LONGEST_PROMPT else asked[: _LONGEST_PROMPT - 1] + "…"
    where = f" · {model.title}" if len(report.models) > 1 else ""
    layout.heading(f'{test.title}: "{prompt}", {test.max_tokens} tokens{where}', 2)
    shown: list[Row] = []
    for implementation in _compared(report) or (None,):
        rows, empty = split_empty(delta_rows(report, model.name, test.name, implementation))
        footnotes = Footnotes()
        layout.table(*_grid(report, rows, implementation, footnotes))
        footed = [*footnotes.lines(len(rows)), *_unseen(empty), *footing(report, model.name, test.name, implementation)]
        how = [*definitions(rows), *_rounds(report, model.name, test.name, implementation)]
        layout.notes([*footed, *_unless_said(how, said)])
        shown += rows
    layout.notes(_others(report, model.name, test.name, shown))


def _compared(report: Report) -> list[str]:
    """The implementations that have a table: all but those not set here."""
    return [runtime.name for runtime in implementations_of(report) if runtime.status != "not set"]


def _unless_said(how: list[str], said: set[str]) -> list[str]:
    """How a table was had, in full unless all tables above were had in that very way."""
    repeated = bool(how) and said >= set(how) and len(said) <= _HOW_LINES
    said.update(how)
    return ["Definitions and rounds as above."] if repeated else how


def _grid(
    report: Report, rows: list[Row], implementation: str | None, footnotes: Footnotes
) -> tuple[list[str], list[list[str]]]:
    headers = ["Metric", baseline_of(report).title]
    if implementation:
        headers += [runtime_title(report, implementation), "Delta"]
    grid = []
    for row in rows:
        figures = [figure for figure in (row.baseline, row.implementation, row.delta) if figure is not None]
        marked = [
            footnotes.mark(figure, column, row.title) for column, figure in zip(headers[1:], figures, strict=True)
        ]
        grid.append([row.title, *marked])
    return headers, grid


def _unseen(rows: list[Row]) -> list[str]:
    """One line for each reason of which whole rows are missing."""
    titles: dict[str, list[str]] = {}
    for row in rows:
        figures = (row.baseline, row.implementation)
        reasons = dict.fromkeys(note for figure in figures if figure for note in figure.notes)
        titles.setdefault("; ".join(reasons), []).append(row.title)
    return [f"{MISSING} on every side: {', '.join(names)}: {reason}" for reason, names in titles.items()]


def _rounds(report: Report, model: str, test: str, implementation: str | None) -> list[str]:
    comparisons = [c for c in report.comparisons if (c.model, c.test, c.runtime) == (model, test, implementation)]
    rounds = sorted({c.rounds for c in comparisons if c.ratio is not None})
    if not rounds:
        return []
    spans = str(rounds[0]) if len(rounds) == 1 else f"{rounds[0]} to {rounds[-1]}"
    confidence = sorted({c.interval.confidence for c in comparisons if c.interval})
    ends = f"; {', '.join(f'{level:.0%}' for level in confidence)} intervals" if confidence else ""
    return [f"Ratios over {spans} round{'' if spans == '1' else 's'}{ends}."]


def _others(report: Report, model: str, test: str, shown: list[Row]) -> list[str]:
    """Figures had in other ways than those of the tables, as a cross-check."""
    lines = []
    for runtime in report.runtimes:
        for summary in other_figures(report, model, test, runtime.name, shown):
            assert summary.centre is not None
            value = format_value(summary.centre, summary.unit)
            title = metric_title(summary.metric)
            lines.append(f"Also {runtime.title}, {title}: {value} by {summary.definition}")
    return lines


def _verdicts(layout: Layout, report: Report) -> None:
    layout.heading("Verdicts", 2)
    if not report.verdicts:
        layout.paragraph("No gate was judged.")
    layout.items(
        (
            verdict.verdict,
            f"{verdict.gate} · {_cell_name(report, verdict.model, verdict.test, verdict.runtime)}"
            f"{'' if verdict.required else ' (advice)'}: {verdict.sentence}",
        )
        for verdict in report.verdicts
    )


def _failures(layout: Layout, report: Report) -> None:
    """Failures of one class in one cell together: rounds, different messages, the last one's last lines."""
    failed: dict[tuple[str, str, str, str], list[Trial]] = {}
    for trial in report.trials:
        if trial.failure:
            failed.setdefault((trial.model, trial.test, trial.runtime, trial.failure.kind), []).append(trial)
    if not failed:
        return
    layout.heading("Failed trials", 2)
    for (model, test, runtime, kind), trials in failed.items():
        failures = [trial.failure for trial in trials if trial.failure]
        where = f"{_cell_name(report, model, test, runtime)}, {rounds_of(trials)}"
        messages = dict.fromkeys(failure.message for failure in failures)
        layout.items([(kind, f"{where}: {'; '.join(messages)} ({trials[-1].file})")])
        layout.quote(failures[-1].tail)


def _warnings(layout: Layout, report: Report) -> None:
    if report.warnings:
        layout.heading("Warnings", 2)
        layout.notes(report.warnings)


def _runtimes(layout: Layout, report: Report) -> None:
    layout.heading("Runtimes", 2)
    layout.items((runtime.title, _runtime_line(runtime, layout.style)) for runtime in report.runtimes)
    for runtime in report.runtimes:
        if runtime.remedy and runtime.status != "ready":
            layout.paragraph(f"What makes {runtime.title} ready:")
            layout.command(runtime.remedy)


def _runtime_line(runtime: RuntimeReport, style: Style) -> str:
    device = f"on {runtime.device}" if runtime.device else None
    facts = [fact for fact in (runtime.role, runtime.status, runtime.version, device) if fact]
    settings = _settings(runtime.settings, whole=style == "markdown")
    return "; ".join(part for part in (", ".join(facts), runtime.reason, settings) if part)


def _settings(settings: dict[str, Scalar], *, whole: bool) -> str:
    """Those that decide speed, and the others after them where there is room for the whole."""
    first = [key for key in _SETTINGS_FIRST if key in settings]
    rest = [key for key in settings if key not in first]
    shown = ", ".join(f"{key} {_scalar(settings[key])}" for key in ([*first, *rest] if whole else first))
    return shown if whole or not rest else f"{shown}{', ' if shown else ''}{len(rest)} more settings in report.md"


def _fact(key: str, value: Scalar) -> str:
    if key.endswith("_bytes") and isinstance(value, int | float):
        return f"{key.removesuffix('_bytes')} {format_value(value, 'bytes')}"
    return f"{key.replace('_', ' ')} {_scalar(value)}"


def _scalar(value: Scalar) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    return "not seen" if value is None else str(value) or "none"


def _cell_name(report: Report, model: str, test: str, runtime: str) -> str:
    models = [model] if len(report.models) > 1 else []
    return " · ".join([runtime_title(report, runtime), *models, test])
