"""Every gate judged on every cell that it applies to. Pure.

Never a false verdict: an interval that straddles a bound is INCONCLUSIVE, sides that did not run the same are NOT
COMPARABLE, and what was not measured is NOT RUN. No evidence is never a pass.
"""

from collections.abc import Iterator

from parity.compare.advice import TO_SHOW_ITS_DEVICE
from parity.config import Config
from parity.gates import Evidence, Gate, Judgement, When
from parity.gates.outputs import unless_outputs_differ
from parity.reading.dictionary import METRICS
from parity.reading.facts import is_partial, is_speed, on_device
from parity.records import Cell, Verdict


def verdicts(config: Config, evidence: Evidence) -> Iterator[Verdict]:
    """One verdict for every gate on every cell that it names, in the order of the config."""
    for gate in config.gates:
        for cell in cells_of(config, gate):
            yield verdict_of(gate, cell, judgement_on(gate, cell, evidence))


def judgement_on(gate: Gate, cell: Cell, evidence: Evidence) -> Judgement:
    """One gate judged on one cell."""
    judgement = _not_here(gate, cell, evidence) or gate.judge(cell, evidence)
    return unless_outputs_differ(judgement, cell, evidence) if is_of_speeds(gate) else judgement


def is_elsewhere(gate: Gate, cell: Cell, evidence: Evidence) -> bool:
    """Whether a gate does not apply to a cell here."""
    found = _not_here(gate, cell, evidence)
    return found is not None and found.verdict == "NOT APPLICABLE"


def is_of_speeds(gate: Gate) -> bool:
    """Whether a gate compares a time or a rate with the baseline's."""
    return gate.compares and gate.judged_metric is not None and is_speed(METRICS[gate.judged_metric])


def cells_of(config: Config, gate: Gate) -> Iterator[Cell]:
    """The cells that a gate judges, optional runtimes that are not set included."""
    for runtime in gate.runtimes or config.implementations:
        for model, test in _models_and_tests(config, gate):
            yield model, test, runtime


def verdict_of(gate: Gate, cell: Cell, judgement: Judgement) -> Verdict:
    """A judgement tied to its gate and cell."""
    model, test, runtime = cell
    return Verdict(
        gate=gate.name,
        kind=gate.kind,
        compares=gate.compares,
        metric=gate.judged_metric,
        model=model,
        test=test,
        runtime=runtime,
        required=gate.required,
        verdict=judgement.verdict,
        sentence=judgement.sentence,
        value=judgement.value,
        at_least=gate.allowed[0],
        at_most=gate.allowed[1],
        interval=judgement.interval,
        rounds=judgement.rounds,
        advice=judgement.advice or None,
        bounds=judgement.bounds,
        failed_side=judgement.failed_side,
        fell_away=judgement.fell_away,
        declared=judgement.declared,
        unproven=judgement.unproven,
    )


def _models_and_tests(config: Config, gate: Gate) -> Iterator[tuple[str, str]]:
    for model in config.models:
        for test in config.tests:
            runs_here = test.models is None or model.name in test.models
            if runs_here and (gate.tests is None or test.name in gate.tests):
                yield model.name, test.name


def _not_here(gate: Gate, cell: Cell, evidence: Evidence) -> Judgement | None:
    """NOT APPLICABLE, or why it is not known whether the gate applies; None where it does."""
    runtime = cell[2]
    if runtime in evidence.unset:
        return Judgement("NOT APPLICABLE", f"{runtime} is optional and not set here")
    when = gate.when or When()
    if when.platform is not None and when.platform != evidence.platform:
        return Judgement("NOT APPLICABLE", f"applies on {when.platform}; this machine runs {evidence.platform}")
    return None if when.device is None else _elsewhere(when.device, cell, evidence)


def _elsewhere(wanted: str, cell: Cell, evidence: Evidence) -> Judgement | None:
    """A gate on a device applies where all trials of the cell ran wholly on it."""
    runtime, devices = cell[2], evidence.devices_of(cell)
    if not devices:
        # No trial gave a result; the gate says why.
        return None
    if None in devices:
        return Judgement(
            "NOT RUN", f"applies on {wanted}; {runtime} did not report its device", advice=TO_SHOW_ITS_DEVICE
        )
    used = {device: count for device, count in devices.items() if device is not None}
    if len(used) > 1:
        counts = ", ".join(f"{device} in {count}" for device, count in used.items())
        return Judgement(
            "NOT COMPARABLE",
            f"applies on {wanted}; {runtime} changed its device between trials: {counts}",
            advice="name one in its table",
        )
    [device, *_] = used
    if is_partial(device):
        ran = f"applies on {wanted}; {runtime} ran on {device}"
        return Judgement("NOT COMPARABLE", ran, advice="let it offload all layers")
    if not on_device(device, wanted):
        ran = f"applies on {wanted}; {runtime} ran on {device}"
        advice = f"run it on {wanted}, or make the gate advice (`required = false`)"
        return Judgement("NOT APPLICABLE", ran, fell_away=True, advice=advice)
    return None
