"""What the implementations computed beside the baseline, for every cell that a gate on outputs judges. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from parity.config import Config
from parity.gates import Evidence
from parity.judging.verdict import cells_of, is_elsewhere
from parity.outputs import Compared, judge_outputs
from parity.reading.facts import FACTS
from parity.records import Cell, ModelFacts, OutputVerdict


def output_verdicts(
    config: Config, evidence: Evidence, models: Sequence[ModelFacts]
) -> Iterator[tuple[Cell, OutputVerdict]]:
    """Each covered cell of which both sides gave a result, in the order of the config."""
    quantisation = {model.name: model.quantisation for model in models}
    pairs: dict[tuple[str, str], Compared] = {}
    for cell in covered_by_outputs(config, evidence):
        model, test, runtime = cell
        if (model, test) not in pairs:
            pairs[model, test] = _compared(model, test, evidence, quantisation.get(model, {}))
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


def _compared(model: str, test: str, evidence: Evidence, quantisation: Mapping[str, int]) -> Compared:
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


def _declared(runtime: str, evidence: Evidence) -> Mapping[str, str]:
    """Fact → why a difference of a runtime in it is intended: by a declaration, or by how the config sets it up."""
    named = dict(evidence.intent.named.get(runtime, {}))
    reasons = {fact: evidence.intent.reason(fact, runtime, evidence.baseline) for fact in FACTS}
    return named | {fact: reason for fact, reason in reasons.items() if reason is not None}
