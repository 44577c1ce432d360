"""How rounds are named in a sentence."""

from collections.abc import Sequence

from parity.records import Trial
from parity.units import noun_for


def rounds_of(trials: Sequence[Trial]) -> str:
    """`warm-up round 1 and rounds 2, 3`."""
    named = []
    for word, warmup in (("warm-up round", True), ("round", False)):
        rounds = list(dict.fromkeys(str(trial.round) for trial in trials if trial.warmup == warmup))
        if rounds:
            named.append(f"{noun_for(len(rounds), word)} {', '.join(rounds)}")
    return " and ".join(named)
