"""A report with its parts found by cell: built once, and all that any format looks things up in."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from parity.judging.outputs import compared_of
from parity.outputs import Compared
from parity.reading.dictionary import METRICS, strictness
from parity.records import (
    Cell,
    Comparison,
    Diagnosis,
    FactRow,
    ModelFacts,
    NotRun,
    OutputVerdict,
    Report,
    RuntimeReport,
    Summary,
    TestSpec,
    Trial,
    Verdict,
    VerdictKind,
)

WORST_FIRST: tuple[VerdictKind, ...] = ("FAIL", "NOT COMPARABLE", "NOT RUN", "INCONCLUSIVE", "PASS", "NOT APPLICABLE")


@dataclass(frozen=True)
class CellResults:
    """Everything that the report holds of one cell. `summaries`: each metric's strictest definition first. `beside`:
    the comparisons by a definition that has a row of its own, under metric and definition."""

    name: str
    title: str
    runtime: RuntimeReport | None
    summaries: tuple[Summary, ...]
    comparisons: Mapping[str, Comparison]
    beside: Mapping[tuple[str, str], Comparison]
    verdicts: tuple[Verdict, ...]
    trials: tuple[Trial, ...]
    not_run: NotRun | None
    facts: tuple[FactRow, ...] = ()

    def summary(self, metric: str, definition: str | None = None) -> Summary | None:
        """A metric by `definition` if there, otherwise by the strictest that has a value, otherwise any."""
        found = [s for s in self.summaries if s.metric == metric]
        asked = [s for s in found if s.definition == definition]
        valued = [s for s in found if s.centre is not None]
        return next(iter((*asked, *valued, *found)), None)

    def compared(self, metric: str) -> Summary | None:
        """A metric by the definition of its comparison with the baseline, where there is one."""
        comparison = self.comparisons.get(metric)
        return self.summary(metric, comparison.definition if comparison else None)

    def measured_trials(self) -> list[Trial]:
        """Those that figures come from."""
        return [trial for trial in self.trials if trial.kind == "full" and not trial.warmup and trial.failure is None]

    def absence(self, summary: Summary | None = None) -> str:
        """Why there is no value of a metric: why the cell has no good trial, or what its summary says."""
        if self.not_run is not None and not self.measured_trials():
            return ran_of(self.not_run)
        if summary is not None and summary.reason:
            return summary.reason
        if self.runtime is not None and self.runtime.status != "ready":
            return f"{self.runtime.status}: {self.runtime.reason}" if self.runtime.reason else self.runtime.status
        trials = [trial for trial in self.trials if not trial.warmup]
        failed = [trial.failure.kind for trial in trials if trial.failure]
        if not trials:
            return "no trial was run"
        if len(failed) == len(trials):
            return f"every trial failed ({', '.join(dict.fromkeys(failed))})"
        return "not measured"


@dataclass(frozen=True)
class Workload:
    """A model with a test: what every runtime is asked to do. `title` names the model where there are several."""

    model: ModelFacts
    test: TestSpec
    title: str


@dataclass(frozen=True)
class Pair:
    """The two sides of one table; a baseline alone has no implementation."""

    baseline: CellResults
    implementation: CellResults | None

    @property
    def facts(self) -> tuple[FactRow, ...]:
        """What the two sides ran with."""
        return self.implementation.facts if self.implementation else ()

    @property
    def sides(self) -> tuple[CellResults, ...]:
        return (self.baseline, self.implementation) if self.implementation else (self.baseline,)


class Index:
    """Lookups in one report. `workloads`: those of which the report has a record, in the config's order."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.runtimes = {runtime.name: runtime for runtime in report.runtimes}
        self.baseline = self.runtimes[report.baseline]
        self.implementations = tuple(r for r in report.runtimes if r.name != report.baseline)
        self.several_models = len(report.models) > 1
        self._tests = {test.name: test for test in report.tests}
        self._summaries = _by_cell(report.summaries)
        self._comparisons = _by_cell(report.comparisons)
        self._verdicts = _by_cell(report.verdicts)
        self._trials = _by_cell(report.trials)
        self._not_run = _by_cell(report.not_run)
        self._facts = _by_cell(report.facts)
        self._diagnoses = {(d.model, d.test, d.runtime): d for d in report.diagnoses}
        self._outputs = _by_pair(report.outputs)
        self._generated, self._scored = _by_pair(report.trials), _by_pair(report.score_trials)
        self._cells: dict[Cell, CellResults] = {}
        self.workloads = tuple(self._workloads())

    def cell(self, model: str, test: str, runtime: str) -> CellResults:
        """What the report holds of a cell; empty where it holds nothing."""
        cell = (model, test, runtime)
        if cell not in self._cells:
            summaries = self._summaries.get(cell, ())
            compared = self._comparisons.get(cell, ())
            strictest = {comparison.metric: comparison for comparison in reversed(compared)}
            self._cells[cell] = CellResults(
                name=runtime,
                title=self.runtime_title(runtime),
                runtime=self.runtimes.get(runtime),
                summaries=tuple(
                    sorted(summaries, key=lambda s: (metric_order(s.metric), strictness(s.metric, s.definition)))
                ),
                comparisons={name: strictest[name] for name in sorted(strictest, key=metric_order)},
                beside={(c.metric, c.definition or ""): c for c in compared if strictest[c.metric] is not c},
                verdicts=tuple(self._verdicts.get(cell, ())),
                trials=tuple(self._trials.get(cell, ())),
                not_run=next(iter(self._not_run.get(cell, ())), None),
                facts=tuple(self._facts.get(cell, ())),
            )
        return self._cells[cell]

    def pair(self, workload: Workload, implementation: str | None) -> Pair:
        """An implementation beside the baseline."""
        model, test = workload.model.name, workload.test.name
        return Pair(
            self.cell(model, test, self.baseline.name),
            self.cell(model, test, implementation) if implementation else None,
        )

    def outputs(self, workload: Workload) -> Sequence[OutputVerdict]:
        """What the implementations computed of a model and test, where that was judged."""
        return self._outputs.get((workload.model.name, workload.test.name), ())

    def diagnosis(self, workload: Workload, runtime: str) -> Diagnosis | None:
        """Why a runtime is slow on a model and test; None where no gate says that it is."""
        return self._diagnoses.get((workload.model.name, workload.test.name, runtime))

    def compared(self, workload: Workload) -> Compared:
        """What the runtimes show of a model and test."""
        pair = (workload.model.name, workload.test.name)
        return compared_of(self.report, *pair, self._generated.get(pair, ()), self._scored.get(pair, ()))

    def verdicts_of(self, runtime: str) -> list[Verdict]:
        """The verdicts on one runtime, in the report's order."""
        return [verdict for verdict in self.report.verdicts if verdict.runtime == runtime]

    def runtime_title(self, name: str) -> str:
        """The title of a runtime by its name in the config."""
        return self.runtimes[name].title if name in self.runtimes else name

    def test_title(self, model: str, test: str) -> str:
        """The title of a test by its name in the config, with the model where there are several."""
        title = self._tests[test].title if test in self._tests else test
        return f"{title} ({model})" if self.several_models else title

    def cell_title(self, model: str, test: str, runtime: str) -> str:
        """`Beta · simple-math`, with the model between them where there are several."""
        return " · ".join([self.runtime_title(runtime), *([model] if self.several_models else []), test])

    def _workloads(self) -> Iterator[Workload]:
        records = (self._summaries, self._trials, self._verdicts, self._not_run)
        known = {(model, test) for found in records for model, test, _ in found}
        for model in self.report.models:
            for test in self.report.tests:
                if (model.name, test.name) in known:
                    yield Workload(model, test, self.test_title(model.name, test.name))


class _OfCell(Protocol):
    @property
    def model(self) -> str: ...
    @property
    def test(self) -> str: ...
    @property
    def runtime(self) -> str: ...


_Record = TypeVar("_Record", bound=_OfCell)


def _by_cell(records: Iterable[_Record]) -> dict[Cell, list[_Record]]:
    found: dict[Cell, list[_Record]] = {}
    for record in records:
        found.setdefault((record.model, record.test, record.runtime), []).append(record)
    return found


def _by_pair(records: Iterable[_Record]) -> dict[tuple[str, str], list[_Record]]:
    found: dict[tuple[str, str], list[_Record]] = {}
    for record in records:
        found.setdefault((record.model, record.test), []).append(record)
    return found


_ORDER = {metric: place for place, metric in enumerate(METRICS)}


def metric_order(metric: str) -> tuple[int, str]:
    """Key that sorts metrics as the dictionary does, those that it doesn't know last."""
    return _ORDER.get(metric, len(_ORDER)), metric


def metric_title(metric: str) -> str:
    """The metric's title in the dictionary; a metric that it doesn't know keeps its id."""
    return METRICS[metric].title if metric in METRICS else metric


def ran_of(cell: NotRun) -> str:
    """`0 of 12 trials ran: unavailable: no such file`."""
    return f"{cell.ran} of {cell.planned} trials ran: {cell.kind}: {cell.reason}"


def worst(verdicts: Iterable[Verdict]) -> VerdictKind | None:
    """The verdict that stands for several cells; `NOT APPLICABLE` where all are, or where nothing is worse than a cell
    that ran on a different device than the gate's."""
    found = list(verdicts)
    kinds = {verdict.verdict for verdict in found}
    if kinds <= {"PASS", "NOT APPLICABLE"} and any(verdict.fell_away for verdict in found):
        return "NOT APPLICABLE"
    return next((kind for kind in WORST_FIRST if kind in kinds), None)


def judges_consistency(verdict: Verdict) -> bool:
    """Whether the page's line `Consistency` shows this verdict."""
    return verdict.kind == "consistency"
