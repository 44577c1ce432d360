"""What the implementations computed beside the baseline, for every cell that a gate on outputs judges. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from parity.config import Config
from parity.gates import Evidence
from parity.judging.scored import has_truth
from parity.judging.verdict import cells_of, is_elsewhere
from parity.outputs import Compared, judge_outputs
from parity.reading.facts import FACTS
from parity.records import Cell, ModelFacts, OutputVerdict, Report, Slot, Trial, by_pair, text_round

NO_TRIAL = (
    "none of its trials was run: no runtime showed the ids of a prompt and an answer, its runtimes were given up, or "
    "the run ended before that"
)


def output_verdicts(
    config: Config,
    evidence: Evidence,
    models: Sequence[ModelFacts],
    no_exact: Mapping[str, str],
    libraries: Mapping[str, Mapping[str, str]],
    not_begun: Sequence[tuple[Slot, str]] = (),
) -> Iterator[tuple[Cell, OutputVerdict]]:
    """Each covered cell of which both sides gave a result, in the order of the config. `no_exact`: model → why it has
    no exact arm, though it was asked for. `libraries`: runtime → those that decide what it computes. `not_begun`: the
    trials that score and were due, and were not run; with why."""
    quantisation = {model.name: model.quantisation for model in models}
    pairs: dict[Cell, Compared] = {}
    for cell in covered_by_outputs(config, evidence):
        model, test, runtime = cell
        # All that run the test's model are compared at once; one that loads its own is no witness of theirs.
        place = cell if runtime in evidence.intent.own else (model, test, "")
        if place not in pairs:
            compared = replace(
                compared_by(cell, evidence, quantisation.get(model, {})),
                libraries=libraries,
                not_begun={(s.runtime, s.kind, s.round): why for s, why in not_begun if s.cell[:2] == (model, test)},
                text_rounds={name: text_round(k) for k, name in enumerate(config.runtimes)},
            )
            if has_truth(config, config.test(test), tuple(evidence.unset)):
                compared = _with_arm(compared, evidence, no_exact.get(model))
            pairs[place] = compared
        if (found := judge_outputs(pairs[place], runtime)) is not None:
            yield cell, found


def covered_by_outputs(config: Config, evidence: Evidence) -> list[Cell]:
    """The cells that a gate on outputs judges here."""
    found = {
        cell: None
        for gate in config.gates
        if gate.kind == "outputs"
        for cell in cells_of(config, gate)
        if not is_elsewhere(gate, cell, evidence)
    }
    return list(found)


def compared_in(report: Report, model: str, test: str) -> Compared:
    """What the runtimes of a model and test show, from a report that was just computed: one that was read from disk has
    neither ids nor scores. It holds no declarations, which only verdicts need."""
    trials, scored = (by_pair(all_of).get((model, test), ()) for all_of in (report.trials, report.score_trials))
    return compared_of(report, model, test, trials, scored)


def compared_of(report: Report, model: str, test: str, trials: Sequence[Trial], scored: Sequence[Trial]) -> Compared:
    """The same by the trials of the model and test, which are looked up already."""
    return Compared(
        model=model,
        test=test,
        baseline=report.baseline,
        trials=trials,
        scored=scored,
        greedy=not any(t.name == test and t.sampling.temperature > 0 for t in report.tests),
        quantisation=next((m.quantisation for m in report.models if m.name == model), {}),
        libraries={runtime.name: runtime.libraries for runtime in report.runtimes if runtime.libraries},
        own_models={runtime.name for runtime in report.runtimes if runtime.model is not None},
    )


def compared_by(cell: Cell, evidence: Evidence, quantisation: Mapping[str, int]) -> Compared:
    """What the runtimes of a cell's model and test show, without the exact arm, and without the other runtimes that
    load a model of their own."""
    model, test, runtime = cell
    others = evidence.intent.own - {runtime}
    trials = [trial for trial in evidence.of_pair(model, test) if trial.runtime not in others]
    return Compared(
        model=model,
        test=test,
        baseline=evidence.baseline,
        trials=trials,
        scored=[trial for trial in evidence.scored_of(model, test) if trial.runtime not in others],
        greedy=test in evidence.greedy,
        quantisation=quantisation,
        declared={name: _declared(name, evidence) for name in dict.fromkeys(t.runtime for t in trials)},
        own_models=evidence.intent.own,
    )


def _with_arm(compared: Compared, evidence: Evidence, no_file: str | None) -> Compared:
    """With the trials of the exact arm, or why there are none. `no_file`: why the model has no F32 file."""
    exact = evidence.exact_of(compared.model, compared.test)
    return replace(compared, exact=exact, no_exact=None if exact else no_file or NO_TRIAL)


def _declared(runtime: str, evidence: Evidence) -> Mapping[str, str]:
    """Fact → why a difference of a runtime in it is intended: by a declaration, or by how the config sets it up."""
    named = dict(evidence.intent.named.get(runtime, {}))
    reasons = {fact: evidence.intent.reason(fact, runtime, evidence.baseline) for fact in FACTS}
    return named | {fact: reason for fact, reason in reasons.items() if reason is not None}
