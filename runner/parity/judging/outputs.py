"""What the implementations computed beside the baseline, for every cell that a gate on outputs judges. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from parity.config import Config
from parity.gates import Evidence
from parity.judging.scored import asks_for_truth
from parity.judging.verdict import cells_of, is_elsewhere
from parity.outputs import Compared, judge_outputs
from parity.reading.facts import FACTS
from parity.records import Cell, ModelFacts, OutputVerdict, Report, Slot, text_round

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
    pairs: dict[tuple[str, str], Compared] = {}
    for cell in covered_by_outputs(config, evidence):
        model, test, runtime = cell
        if (model, test) not in pairs:
            compared = replace(
                compared_by(model, test, evidence, quantisation.get(model, {})),
                libraries=libraries,
                not_begun={(s.runtime, s.kind, s.round): why for s, why in not_begun if s.cell[:2] == (model, test)},
                text_rounds={name: text_round(place) for place, name in enumerate(config.runtimes)},
            )
            if asks_for_truth(config, test, tuple(evidence.unset)):
                compared = _with_arm(compared, evidence, no_exact.get(model))
            pairs[model, test] = compared
        if (found := judge_outputs(pairs[model, test], runtime)) is not None:
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
    return Compared(
        model=model,
        test=test,
        baseline=report.baseline,
        trials=[t for t in report.trials if (t.model, t.test) == (model, test)],
        scored=[t for t in report.score_trials if (t.model, t.test) == (model, test)],
        greedy=not any(t.name == test and t.sampling.temperature > 0 for t in report.tests),
        quantisation=next((m.quantisation for m in report.models if m.name == model), {}),
        libraries={runtime.name: runtime.libraries for runtime in report.runtimes if runtime.libraries},
    )


def compared_by(model: str, test: str, evidence: Evidence, quantisation: Mapping[str, int]) -> Compared:
    """What the runtimes of a model and test show, without the exact arm."""
    trials = [t for t in evidence.trials if (t.model, t.test) == (model, test)]
    return Compared(
        model=model,
        test=test,
        baseline=evidence.baseline,
        trials=trials,
        scored=[t for t in evidence.scored if (t.model, t.test) == (model, test)],
        greedy=test in evidence.greedy,
        quantisation=quantisation,
        declared={name: _declared(name, evidence) for name in dict.fromkeys(t.runtime for t in trials)},
    )


def _with_arm(compared: Compared, evidence: Evidence, no_file: str | None) -> Compared:
    """With the trials of the exact arm, or why there are none. `no_file`: why the model has no F32 file."""
    exact = [t for t in evidence.exact if (t.model, t.test) == (compared.model, compared.test)]
    return replace(compared, exact=exact, no_exact=None if exact else no_file or NO_TRIAL)


def _declared(runtime: str, evidence: Evidence) -> Mapping[str, str]:
    """Fact → why a difference of a runtime in it is intended: by a declaration, or by how the config sets it up."""
    named = dict(evidence.intent.named.get(runtime, {}))
    reasons = {fact: evidence.intent.reason(fact, runtime, evidence.baseline) for fact in FACTS}
    return named | {fact: reason for fact, reason in reasons.items() if reason is not None}
