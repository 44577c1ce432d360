"""What each side really ran, and whether two sides ran the same. Pure."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence

from parity.adapter.events import Bye, Event, Settings, Text
from parity.reading.timeline import Timeline
from parity.records import Job, LedgerEntry, Scalar
from parity.transcript import Transcript

INDEPENDENT_OF_PROMPT = ("load_s", "load_weights_s", "load_lm_s", "load_header_s", "load_cores")
DEPENDENT_ON_COUNT = ("total_s", "wall_s", "cpu_s", "peak_rss_bytes")


WEIGHTS_FILE = "weights_file"
"""The setting by which a runtime that chooses its own weights tells which file it loaded; None: it did not say."""

Sha256Of = Callable[[str], str | None]
"""Path of a weights file → its sha256 as the run recorded it, or None."""


def entry(job: Job, transcript: Transcript, events: Sequence[Event], sha256_of: Sha256Of) -> LedgerEntry:
    """The ledger's entry of one trial."""
    timeline = Timeline(transcript, events)
    ids = timeline.prompt.ids if timeline.prompt else None
    settings: dict[str, Scalar] = {}
    for event in events:
        if isinstance(event, Settings):
            settings |= event.values
    generated = len(timeline.tokens) or timeline.counted
    bye = next((event for event in events if isinstance(event, Bye)), None)
    return LedgerEntry(
        weights_sha256=_weights_sha256(job, settings, sha256_of),
        prompt_ids_sha256=hashlib.sha256(json.dumps(ids).encode()).hexdigest() if ids is not None else None,
        prompt_tokens=timeline.prompt_tokens,
        generated_tokens=generated,
        ended_early=bye is not None and generated is not None and generated < job.test.max_tokens,
        settings=settings,
    )


def _weights_sha256(job: Job, settings: Mapping[str, Scalar], sha256_of: Sha256Of) -> str | None:
    """Of the file that was loaded: the job's, unless the runtime chooses by itself. None where that was not seen."""
    loaded = settings.get(WEIGHTS_FILE, job.model.path)
    if loaded is None:
        return None
    return job.model.sha256 if loaded == job.model.path else sha256_of(str(loaded))


def shown_text(events: Sequence[Event]) -> str | None:
    """The generated text as the runtime decoded it, up to the end token."""
    texts = [event.text for event in events if isinstance(event, Text)]
    return texts[-1] if texts else None


def conflict(metric: str, baseline: LedgerEntry, other: LedgerEntry) -> str | None:
    """Why two trials can't be compared by a metric, or None. What was not seen on a side is no agreement."""
    if baseline.weights_sha256 is None or other.weights_sha256 is None:
        return "which weights a side ran was not seen"
    if baseline.weights_sha256 != other.weights_sha256:
        return "the two sides ran different weights"
    if metric in INDEPENDENT_OF_PROMPT:
        return None
    if baseline.prompt_ids_sha256 is not None and other.prompt_ids_sha256 is not None:
        if baseline.prompt_ids_sha256 != other.prompt_ids_sha256:
            return f"the prompt ids differ ({baseline.prompt_tokens} tokens against {other.prompt_tokens})"
    elif baseline.prompt_tokens is None or other.prompt_tokens is None:
        return "a side did not show its prompt's tokens, so nothing says that the prompts are equal"
    elif baseline.prompt_tokens != other.prompt_tokens:
        return f"the prompts differ in length ({baseline.prompt_tokens} tokens against {other.prompt_tokens})"
    if metric in DEPENDENT_ON_COUNT and None in (baseline.generated_tokens, other.generated_tokens):
        return "how many tokens a side generated was not seen"
    if metric in DEPENDENT_ON_COUNT and baseline.generated_tokens != other.generated_tokens:
        return f"the sides generated {baseline.generated_tokens} and {other.generated_tokens} tokens"
    return None
