"""What each side really ran, and whether two sides ran the same. Pure.

Most runtimes run the weights of the job: the hash is the model's. A runtime that chooses its weights by itself
reports the file that it loaded as the setting `weights_file`, and parity hashes that file. A runtime that chooses and
does not say which file reports `weights_file` as null: every comparison with it is then NOT COMPARABLE, because nothing
shows that both sides ran the same weights.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence

from parity.adapter.events import Bye, Event, Settings, Text
from parity.reading.dictionary import METRICS
from parity.reading.timeline import Timeline
from parity.records import Identity, Job, Scalar
from parity.transcript import Transcript

WEIGHTS_FILE = "weights_file"
"""The setting in which a runtime that chooses its weights by itself reports the file that it loaded, or None."""

Sha256Of = Callable[[str], str | None]
"""Path of a weights file → its sha256 as the run recorded it, or None where it is not known."""


def identity_of(job: Job, transcript: Transcript, events: Sequence[Event], sha256_of: Sha256Of) -> Identity:
    """What one trial ran."""
    timeline = Timeline(transcript, events)
    ids = timeline.prompt.ids if timeline.prompt else None
    settings: dict[str, Scalar] = {}
    for event in events:
        if isinstance(event, Settings):
            settings |= event.values
    generated = len(timeline.tokens) or timeline.counted
    bye = next((event for event in events if isinstance(event, Bye)), None)
    return Identity(
        weights_sha256=_weights_sha256(job, settings, sha256_of),
        prompt_ids_sha256=hashlib.sha256(json.dumps(ids).encode()).hexdigest() if ids is not None else None,
        prompt_tokens=timeline.prompt_tokens,
        generated_tokens=generated,
        ended_early=bye is not None and generated is not None and generated < job.test.max_tokens,
        settings=settings,
    )


def _weights_sha256(job: Job, settings: Mapping[str, Scalar], sha256_of: Sha256Of) -> str | None:
    """Of the file that was loaded: the job's, unless the runtime chose one by itself. None where it is not known."""
    loaded = settings.get(WEIGHTS_FILE, job.model.path)
    if loaded is None:
        return None
    return job.model.sha256 if loaded == job.model.path else sha256_of(str(loaded))


def shown_text(events: Sequence[Event]) -> str | None:
    """The generated text as the runtime decoded it, up to the end token."""
    texts = [event.text for event in events if isinstance(event, Text)]
    return texts[-1] if texts else None


def conflict(metric: str, baseline: Identity, other: Identity) -> str | None:
    """Why two trials can't be compared by a metric, or None. What a side did not show does not count as equal."""
    if baseline.weights_sha256 is None or other.weights_sha256 is None:
        return "a side did not show which weights it ran"
    if baseline.weights_sha256 != other.weights_sha256:
        return "the two sides ran different weights"
    if not METRICS[metric].depends_on_prompt:
        return None
    if baseline.prompt_ids_sha256 is not None and other.prompt_ids_sha256 is not None:
        if baseline.prompt_ids_sha256 != other.prompt_ids_sha256:
            return f"the prompt ids differ ({baseline.prompt_tokens} tokens against {other.prompt_tokens})"
    elif baseline.prompt_tokens is None or other.prompt_tokens is None:
        return "a side did not show the tokens of its prompt, so the prompts may differ"
    elif baseline.prompt_tokens != other.prompt_tokens:
        return f"the prompts differ in length ({baseline.prompt_tokens} tokens against {other.prompt_tokens})"
    if not METRICS[metric].depends_on_count:
        return None
    if None in (baseline.generated_tokens, other.generated_tokens):
        return "a side did not show how many tokens it generated"
    if baseline.generated_tokens != other.generated_tokens:
        return f"the sides generated {baseline.generated_tokens} and {other.generated_tokens} tokens"
    return None
