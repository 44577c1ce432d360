"""The settings that a runtime used, over all of its trials. Pure."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from parity.records import Scalar, Trial


def settings_of(trials: Sequence[Trial], runtime: str) -> dict[str, Scalar]:
    """The settings that a runtime reported in its measured trials, or in warm-up where no measured one reported any."""
    own = [t for t in trials if t.runtime == runtime and t.kind == "full" and t.identity is not None]
    measured = [t for t in own if not t.warmup] or own
    return merged([t.identity.settings for t in measured if t.identity is not None])


def merged(reported: Sequence[Mapping[str, Scalar]]) -> dict[str, Scalar]:
    """The settings of several trials as one table; for one that varied, each value with its number of trials."""
    settings: dict[str, Scalar] = {}
    for key in dict.fromkeys(key for one in reported for key in one):
        counts = Counter(json.dumps(one.get(key)) for one in reported)
        if len(counts) == 1:
            settings[key] = next(one[key] for one in reported if key in one)
        else:
            settings[key] = ", ".join(
                f"{_shown(value)} in {count} of {len(reported)} trials" for value, count in counts.items()
            )
    return settings


def _shown(value: str) -> str:
    """A JSON scalar without its quotes."""
    return "not reported" if value == "null" else str(json.loads(value)) if value.startswith('"') else value
