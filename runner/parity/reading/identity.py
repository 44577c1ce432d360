"""What each side really ran. Pure.

Most runtimes run the weights of the job: the hash is the model's. A runtime that chooses its weights by itself
reports the file that it loaded as the setting `weights_file`, and parity hashes that file. A runtime that chooses and
does not say which file reports `weights_file` as null: every comparison with it is then NOT COMPARABLE, because nothing
shows that both sides ran the same weights.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence, Set

from parity.adapter.events import Bye, Event, Hello, Settings, Text
from parity.reading.sampling import reported_sampling
from parity.reading.timeline import Timeline
from parity.records import Identity, Job, Scalar
from parity.transcript import Transcript

WEIGHTS_FILE = "weights_file"
"""The setting in which a runtime that chooses its weights by itself reports the file that it loaded, or None."""

Sha256Of = Callable[[str], str | None]
"""Path of a weights file → its sha256 as the run recorded it, or None where it is not known."""


def identity_of(
    job: Job, transcript: Transcript, events: Sequence[Event], sha256_of: Sha256Of, untold: Set[str] = frozenset()
) -> Identity:
    """What one trial ran. `untold`: facts of the job that nothing told the program."""
    timeline = Timeline(transcript, events)
    settings: dict[str, Scalar] = {}
    for event in events:
        if isinstance(event, Settings):
            settings |= event.values
    hello = next((event for event in events if isinstance(event, Hello)), None)
    if hello is not None and hello.device is not None:
        settings.setdefault("device", hello.device)
    generated = len(timeline.tokens) or timeline.counted
    bye = next((event for event in events if isinstance(event, Bye)), None)
    before = transcript.head.files
    return Identity(
        runtime=hello.runtime if hello is not None else None,
        version=hello.version if hello is not None else None,
        weights_sha256=_weights_sha256(job, transcript, settings, sha256_of),
        prompt_ids_sha256=_sha256(timeline.prompt_ids),
        prompt_tokens=timeline.prompt_tokens,
        generated_tokens=generated,
        output_ids_sha256=_sha256(timeline.output_ids),
        ended_early=bye is not None and generated is not None and generated < job.test.max_tokens,
        sampling=reported_sampling(settings, job.test.sampling, told="sampling" not in untold),
        programs={file.path: file.sha256 for file in before.programs if file.sha256 is not None} if before else {},
        settings=settings,
    )


def _sha256(ids: Sequence[int] | None) -> str | None:
    return hashlib.sha256(json.dumps(ids).encode()).hexdigest() if ids is not None else None


def _weights_sha256(
    job: Job, transcript: Transcript, settings: Mapping[str, Scalar], sha256_of: Sha256Of
) -> str | None:
    """Of the file that was loaded: the job's, unless the runtime chose one by itself. None where it is not known, or
    the file was changed while the trial ran."""
    loaded = settings.get(WEIGHTS_FILE, job.model.path)
    if loaded is None:
        return None
    before, after = transcript.head.files, transcript.files_after
    own = loaded == job.model.path
    if before is None or after is None:
        return job.model.sha256 if own else sha256_of(str(loaded))
    if own:
        return after.model.sha256 if after.model == before.model else None
    now = next((file for file in after.weights if file.path == loaded), None)
    then = next((file for file in before.weights if file.path == loaded), now)
    return now.sha256 if now is not None and now == then else None


def shown_text(events: Sequence[Event]) -> str | None:
    """The generated text as the runtime decoded it, up to the end token."""
    texts = [event.text for event in events if isinstance(event, Text)]
    return texts[-1] if texts else None
