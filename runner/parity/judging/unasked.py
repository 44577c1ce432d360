"""What trials show of outputs by themselves, where gates compare speeds and none judges outputs. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from parity.compare.advice import TO_SEE_MORE
from parity.config import Config
from parity.gates import Evidence
from parity.gates.outputs import COUNTING
from parity.judging.outputs import compared_by
from parity.judging.verdict import cells_of, is_elsewhere, is_of_speeds
from parity.outputs import judge_outputs
from parity.records import Cell, ModelFacts, OutputVerdict, Verdict


def unasked_verdicts(
    config: Config, evidence: Evidence, models: Sequence[ModelFacts]
) -> Iterator[tuple[Cell, OutputVerdict]]:
    """Each cell of which a gate compares a speed and none judges the outputs, by the trials that generate alone."""
    quantisation = {model.name: model.quantisation for model in models}
    for model, test, runtime in _covered(config, evidence):
        compared = compared_by((model, test, runtime), evidence, quantisation.get(model, {}))
        found = judge_outputs(replace(compared, scored=(), asked=False), runtime)
        if found is not None:
            yield (model, test, runtime), found


def differing_outputs(config: Config, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterator[str]:
    """A sentence for each cell of which a speed counts although the outputs are shown to differ."""
    speeds = {gate.name for gate in config.gates if is_of_speeds(gate)}
    counting = {(v.model, v.test, v.runtime) for v in verdicts if v.gate in speeds and v.verdict in COUNTING}
    for (model, test, runtime), found in evidence.unasked.items():
        if (model, test, runtime) in counting and found.differs:
            models = (model,) if len(config.models) > 1 else ()
            where = " · ".join((config.runtime_title(runtime), *models, test))
            differs = f"its outputs differ from those of {config.runtime_title(evidence.baseline)}"
            yield f"{where}: {differs}: {found.sentence}; its speed counts all the same; {TO_SEE_MORE}"


def _covered(config: Config, evidence: Evidence) -> list[Cell]:
    found = {
        cell: None
        for gate in config.gates
        if is_of_speeds(gate)
        for cell in cells_of(config, gate)
        if cell not in evidence.outputs and not is_elsewhere(gate, cell, evidence)
    }
    return list(found)
