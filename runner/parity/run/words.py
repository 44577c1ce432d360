"""Trials, steps and gates in the few words that progress is told in."""

from parity.judging.evidence import Standing
from parity.models import Step
from parity.records import OWN, SHARED, Slot, Trial
from parity.units import format_value, plural
from parity.visible import printable


def describe(slot: Slot) -> str:
    """A trial in a few words."""
    turn = f"warm-up {slot.round}" if slot.warmup else f"round {slot.round}"
    if slot.task == "score":
        turn = {SHARED: "score", OWN: "score of its own answer"}.get(slot.round, f"score of text {slot.round - OWN}")
    if slot.kind == "exact":
        turn = "score by the exact arm"
    kind = "" if slot.kind in ("full", "exact") else f" ({slot.kind})"
    return f"{turn}{kind} · {slot.model} · {slot.test} · {slot.runtime}"


def result_of(trial: Trial) -> str:
    """What came of it in a few words."""
    if trial.failure is not None:
        void = f" (void: {trial.void})" if trial.void is not None else ""
        return printable(f"{trial.failure.kind}: {trial.failure.message}{void}")
    if trial.void is not None:
        return f"void: {trial.void}"
    shown = []
    for metric in ("load_s", "prompt_tps", "gen_tps"):
        value = next((m for m in trial.measurements if m.metric == metric and m.value is not None), None)
        if value is not None and value.value is not None:
            shown.append(f"{metric} {format_value(value.value, value.unit)}")
    return ", ".join(shown) or "done"


def step_line(step: Step) -> str:
    """How far a long step is."""
    if not step.done and not step.total:
        return step.what
    if step.unit != "bytes":
        return f"{step.what}: {step.done}{f' of {step.total}' if step.total else ''} {step.unit}"
    of = f" of {format_value(step.total, 'bytes')}" if step.total else ""
    return f"{step.what}: {format_value(step.done, 'bytes')}{of}"


def standing_line(standing: Standing) -> str:
    """`even (other) 1.01× [0.97, 1.05], asked: at least 1×, about 4 more rounds`."""
    judged = standing.judgement
    parts = [f"{standing.gate} ({standing.cell[2]}){f' {standing.figure}' if standing.figure else ''}"]
    if judged.bounds is not None:
        parts.append(f"required: {judged.bounds}")
    if judged.more_rounds is not None:
        parts.append(f"about {plural(judged.more_rounds, 'more round')}")
    return ", ".join(parts)
