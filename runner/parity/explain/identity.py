"""What both sides ran, fact by fact, and what that means for a metric. Pure."""

from parity.explain.records import Fact
from parity.judging.settings import merged
from parity.reading.dictionary import METRICS
from parity.records import Identity, Scalar
from parity.report.index import CellResults

_NEVER_MIND = "not compared for this metric"


def facts_of(found: CellResults, base: CellResults | None, metric: str) -> tuple[Fact, ...]:
    """The facts of a cell beside the baseline's; of the baseline's own cell, its own."""
    ours = _facts(found)
    theirs = _facts(base) if base is not None else {}
    names = dict.fromkeys([*ours, *theirs])
    return tuple(
        Fact(
            fact=name,
            value=ours.get(name),
            baseline=theirs.get(name),
            standing=_standing(name, metric, ours.get(name), theirs.get(name)) if base is not None else "",
        )
        for name in names
    )


def _standing(fact: str, metric: str, value: Scalar, baseline: Scalar) -> str:
    spec = METRICS[metric]
    asked = {
        "weights": True,
        "prompt ids": spec.depends_on_prompt,
        "prompt tokens": spec.depends_on_prompt,
        "generated tokens": spec.depends_on_count,
    }
    if not asked.get(fact, True):
        return _NEVER_MIND
    if value is None or baseline is None:
        return "not shown by a side"
    return "equal" if value == baseline else "differs"


def _facts(side: CellResults) -> dict[str, Scalar]:
    known = [trial.identity for trial in side.measured_trials() if trial.identity is not None]
    own = merged([_own(identity) for identity in known])
    return own | merged([identity.settings for identity in known])


def _own(identity: Identity) -> dict[str, Scalar]:
    return {
        "weights": identity.weights_sha256,
        "prompt ids": identity.prompt_ids_sha256,
        "prompt tokens": identity.prompt_tokens,
        "generated tokens": identity.generated_tokens,
    }
