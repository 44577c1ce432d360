"""From a report's index to what a run ends with: verdicts, delta tables, what failed and why, and the exit code."""

from collections.abc import Collection, Iterable, Iterator, Sequence

from parity.judging.rounds import rounds_of
from parity.records import ModelFacts, Report, Scalar, Trial
from parity.report import how
from parity.report.conditions import condition_facts, conditions_table
from parity.report.delta import Row, delta_rows, tabulated
from parity.report.identity import beside, declarations, delta_heading, facts_table
from parity.report.index import WORST_FIRST, Index, Workload, ran_of
from parity.report.outputs import outputs_table
from parity.report.runtimes import runtime_facts, setting
from parity.report.view import FailedTrials, Labelled, Problem, ReportView, Section, Table
from parity.report.witnesses import of_witnesses, witness_tables
from parity.units import format_value, shortened

_LONGEST_PROMPT = 120
INTERRUPTED = "The run was interrupted: this report holds what was measured until then."
_HOW_LINES = 2
"""Lines that say how one table was measured: definitions, rounds."""


def overview(index: Index) -> ReportView:
    """Every summary and verdict is in it; a value that was not measured is `—` with its reason in a footnote."""
    report = index.report
    return ReportView(
        title=f"{report.name}: parity with {index.baseline.title}",
        notices=tuple(notices(report)),
        verdicts=tuple(_verdicts(index)),
        exit=f"Exit code {report.exit.code}: {report.exit.reason}",
        facts=tuple(_facts(index)),
        delta_explained=explain_delta(index, index.baseline.title) if _implementations(index) else "",
        sections=tuple(_sections(index)),
        outputs=outputs_table(index),
        witnesses=tuple(witness_tables(report.witnesses)) if report.witnesses else (),
        of_witnesses=of_witnesses(report.witnesses) if report.witnesses else (),
        not_run=tuple(not_run(index)),
        failures=tuple(failures(index)),
        warnings=report.warnings,
        conditions=conditions_table(index),
        runtimes=tuple(runtime_facts(report.runtimes, fixed={cell.remedy for cell in report.not_run})),
    )


def notices(report: Report) -> Iterator[str]:
    """What a reader has to know before anything else."""
    if report.interrupted:
        yield INTERRUPTED
    if report.gates_from is not None:
        yield (
            f"Judged by the gates of {report.gates_from}, which were chosen after the run: a gate that is chosen when "
            "the figures are known shows less than one that was set before."
        )
    if report.options:
        yield f"Run with {' '.join(report.options)}."
    if report.not_selected:
        yield f"Not selected, so not judged: {', '.join(report.not_selected)}."


def _facts(index: Index) -> Iterable[Labelled]:
    report = index.report
    yield Labelled("Run", f"{report.run}, {report.started}, parity {report.parity_version}")
    yield Labelled("Machine", ", ".join(_fact(key, value) for key, value in report.machine.items()))
    for model in report.models:
        yield Labelled("Model", _model_line(model))
    for runtime in report.runtimes:
        if runtime.model is not None:
            yield Labelled(f"Model of {runtime.title}", _model_line(runtime.model))
    yield from condition_facts(index)


def _fact(key: str, value: Scalar) -> str:
    if key.endswith("_bytes") and isinstance(value, int | float):
        return f"{key.removesuffix('_bytes')} {format_value(value, 'bytes')}"
    return f"{key.replace('_', ' ')} {f'{value:.2f}' if isinstance(value, float) else setting(value)}"


def _model_line(model: ModelFacts) -> str:
    census = ", ".join(f"{kind} ×{count}" for kind, count in model.quantisation.items())
    parameters = f"{model.parameters / 1e6:.1f} M parameters" if model.parameters is not None else ""
    size = format_value(model.size_bytes, "bytes")
    origin = "synthetic weights" if model.synthetic else ""
    facts = (origin, model.architecture or "", parameters, census, size, f"sha256 {model.sha256[:12]}")
    return f"{model.title}: {', '.join(fact for fact in facts if fact)}"


def explain_delta(index: Index, baseline: str) -> str:
    """How a cell of the Delta column is read."""
    confidence = sorted({c.interval.confidence for c in index.report.comparisons if c.interval})
    level = f"{confidence[0]:.0%} " if len(confidence) == 1 else ""
    return (
        f"A Delta is the difference (implementation − {baseline}), then the ratio (implementation ÷ {baseline}) with "
        f"its {level}confidence interval."
    )


def _implementations(index: Index) -> list[str]:
    """The implementations that the config sets here; the others have no table."""
    return [runtime.name for runtime in index.implementations if runtime.status != "not set"]


def _sections(index: Index) -> Iterable[Section]:
    said: set[str] = set()
    for workload in index.workloads:
        test = workload.test
        prompt = shortened(test.query or test.prompt, _LONGEST_PROMPT)
        where = f" · {workload.model.title}" if index.several_models else ""
        implementations = [index.cell(workload.model.name, test.name, name) for name in _implementations(index)]
        never_ran = [cell for cell in implementations if cell.not_run and not cell.not_run.ran]
        shown: list[Row] = []
        tables = []
        for implementation in [cell.name for cell in implementations if cell not in never_ran] or (None,):
            table, rows = _table(index, workload, implementation, said)
            tables.append(table)
            shown += rows
        yield Section(
            heading=f'{test.title}: "{prompt}", {test.max_tokens} tokens{where}',
            tables=tuple(tables),
            without_table=tuple(f"{cell.title}: {cell.absence()}" for cell in never_ran),
            further=tuple(_further(index, workload, shown)),
            facts=tuple(
                found for cell in implementations if (found := facts_table(index, workload, cell.name)) is not None
            ),
        )


def _table(index: Index, workload: Workload, implementation: str | None, said: set[str]) -> tuple[Table, list[Row]]:
    """The table of one implementation. `said`: how the tables above were measured; it grows."""
    pair = index.pair(workload, implementation)
    all_rows = delta_rows(pair)
    empty = [row for row in all_rows if row.is_empty and row.may_be_left_out]
    rows = [row for row in all_rows if row not in empty]
    measured = [*how.definitions(rows), *how.rounds(pair)]
    notes = [*how.empty_rows(empty), *how.prompts(pair), *declarations(pair), *how.not_known(pair)]
    notes += _unless_said(measured, said)
    headers = ["Metric", index.baseline.title]
    if implementation:
        headers += [index.runtime_title(implementation), delta_heading(pair, workload.model)]
    return tabulated(rows, headers, notes), rows


def _unless_said(measured: list[str], said: set[str]) -> list[str]:
    """How a table was measured, in full unless all tables above were measured in that very way."""
    repeated = bool(measured) and said >= set(measured) and len(said) <= _HOW_LINES
    said.update(measured)
    return ["Definitions and rounds: as above."] if repeated else measured


def _further(index: Index, workload: Workload, shown: list[Row]) -> Iterable[str]:
    for runtime in index.report.runtimes:
        side = index.cell(workload.model.name, workload.test.name, runtime.name)
        yield from how.further_figures(side, shown, is_baseline=runtime.name == index.baseline.name)


def _verdicts(index: Index) -> Iterable[Labelled]:
    """The worst first, otherwise in the report's order."""
    for verdict in sorted(index.report.verdicts, key=lambda verdict: WORST_FIRST.index(verdict.verdict)):
        where = index.cell_title(verdict.model, verdict.test, verdict.runtime)
        advice = "" if verdict.required else " (advice)"
        yield Labelled(verdict.verdict, f"{verdict.gate} · {where}{advice}: {beside(verdict)}")


def not_run(index: Index, but: Collection[str] = ()) -> Iterable[Problem]:
    """Cells of one runtime that lack trials for the same reason together. `but`: runtimes that are left out."""
    alike: dict[tuple[str, str, str | None], list[str]] = {}
    for cell in (cell for cell in index.report.not_run if cell.runtime not in but):
        where = f"{cell.model} · {cell.test}" if index.several_models else cell.test
        alike.setdefault((cell.runtime, ran_of(cell), cell.remedy), []).append(where)
    for (runtime, what, remedy), cells in alike.items():
        each = what.replace(" trials ran", " trials ran on each", 1) if len(cells) > 1 else what
        yield Problem(f"{index.runtime_title(runtime)} on {', '.join(cells)}: {each}", remedy)


def failures(index: Index) -> Iterable[FailedTrials]:
    """Failures of one class in one cell together: rounds, different messages, the last one's last lines."""
    failed: dict[tuple[str, str, str, str], list[Trial]] = {}
    for trial in (*index.report.trials, *index.report.score_trials):
        if trial.failure:
            failed.setdefault((*trial.cell, trial.failure.kind), []).append(trial)
    for (model, test, runtime, kind), trials in failed.items():
        failure = trials[-1].failure
        assert failure is not None
        where = f"{index.cell_title(model, test, runtime)}, {_messages(trials)}"
        yield FailedTrials(kind, where, failure.tail, failure.state)


def _messages(trials: Sequence[Trial]) -> str:
    """Which trials, the different messages of their failures, and the transcript of the last one."""
    kinds = list(
        dict.fromkeys(
            trial.task if trial.kind == "full" and trial.task != "generate" else trial.kind for trial in trials
        )
    )
    untimed = "" if kinds == ["full"] else f"{' and '.join(kinds)} trials of "
    messages = dict.fromkeys(trial.failure.message for trial in trials if trial.failure)
    return f"{untimed}{rounds_of(trials)}: {'; '.join(messages)} ({trials[-1].file})"
