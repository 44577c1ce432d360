"""From the transcript of one trial to its record: its failure, or its measurements and its identity. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

from parity.adapter import Adapter
from parity.adapter.events import Event, Prompt, ScoredPosition
from parity.errors import ReadError
from parity.models.pieces import Pieces
from parity.models.tokenizer import Encode
from parity.reading import outcome, stamps
from parity.reading.departures import departures_in_setup, departures_of
from parity.reading.identity import Sha256Of, identity_of, shown_text
from parity.reading.measure import measure
from parity.reading.retokenised import pieces_of, text_ids
from parity.reading.timeline import Timeline
from parity.records import Failure, Job, Measurement, Scored, Slot, Trial
from parity.transcript import Transcript


def read_trial(
    adapter: Adapter[Any],
    slot: Slot,
    file: str,
    transcript: Transcript,
    encode: Encode | None,
    sha256_of: Sha256Of,
    piece_of: Pieces | None = None,
) -> Trial:
    """One trial from its transcript, which lies in the run folder as `file`.

    `encode`: the model's own tokenizer, for text of which the runtime shows no ids; `piece_of`: what each of its tokens
    writes. `sha256_of`: the recorded hash of a weights file that the runtime chose by itself."""
    job = transcript.head.job
    assert job is not None, "a trial's transcript opens with its job"
    events, unreadable = read_events(adapter, transcript, job)
    own_text = text_ids(events, encode, piece_of)
    retokenised = encode is not None and any(isinstance(event, Prompt) and event.ids is None for event in events)
    if encode is not None:
        events = [_with_ids(event, encode) for event in events]
    blank = Trial(
        file=file,
        model=slot.model,
        test=slot.test,
        runtime=slot.runtime,
        round=slot.round,
        warmup=slot.warmup,
        kind=slot.kind,
        task=slot.task,
        host=slot.host,
        attempt=slot.attempt,
        failure=_explained(adapter, outcome.classify(transcript, events, unreadable), transcript),
        stopped=transcript.end is not None and transcript.end.by == "stop",
        warnings=outcome.warnings(transcript, events),
        wall_s=_wall_s(transcript),
    )
    if blank.failure is not None:
        return blank
    if slot.task == "score":
        return _scored(blank, adapter, transcript, events, sha256_of, piece_of)
    timeline = Timeline(transcript, events)
    measurements = measure(transcript, events, None if encode is None else lambda text: len(encode(text)))
    ran = identity_of(job, transcript, events, sha256_of, adapter.untold)
    return blank.but(
        measurements=measurements,
        departures=(
            *departures_of(transcript, ran, events, encode, adapter.device_asked, adapter.untold),
            *stamps.doubts(timeline, job.model),
        ),
        identity=ran.but(
            prompt_retokenised=retokenised and ran.prompt_ids_sha256 is not None,
            generated_tokens=ran.generated_tokens or _counted(measurements),
        ),
        text=shown_text(events),
        prompt_ids=timeline.prompt_ids,
        output_ids=tuple(token.id for token in timeline.tokens) or None,
        text_ids=own_text,
        pieces=pieces_of(own_text or (), piece_of),
        gaps_ns=timeline.gaps_ns,
        text_gaps_ns=() if timeline.tokens else timeline.text_gaps_ns,
        met_end=any(token.end for token in timeline.tokens),
        shows_end=any(token.end for token in timeline.tokens[-1:]),
    )


def _scored(
    blank: Trial,
    adapter: Adapter[Any],
    transcript: Transcript,
    events: Sequence[Event],
    sha256_of: Sha256Of,
    piece_of: Pieces | None,
) -> Trial:
    """A good trial of the task `score`, which measures nothing."""
    job = transcript.head.job
    assert job is not None, "a trial's transcript opens with its job"
    ran = identity_of(job, transcript, events, sha256_of, adapter.untold)
    scores = tuple(
        Scored(position=e.position, id=e.id, logprob=e.logprob, logsumexp=e.logsumexp, top=tuple(e.top))
        for e in events
        if isinstance(e, ScoredPosition)
    )
    return blank.but(
        identity=ran,
        departures=departures_in_setup(transcript, ran, adapter.device_asked),
        prompt_ids=Timeline(transcript, events).prompt_ids,
        scores=scores,
        pieces=pieces_of((token for s in scores for token in (s.id, *dict(s.top))), piece_of),
    )


def _wall_s(transcript: Transcript) -> float | None:
    """How long its process ran; None without one, or where its end is not known."""
    if transcript.spawn is None or transcript.end is None:
        return None
    return round((transcript.end.t_ns - transcript.spawn.t_ns) * 1e-9, 6)


def _explained(adapter: Adapter[Any], failure: Failure | None, transcript: Transcript) -> Failure | None:
    """A failure with what the adapter knows of its cause."""
    if failure is None or (cause := adapter.explain(failure.kind, transcript)) is None:
        return failure
    return failure.but(message=f"{failure.message}. {cause}")


def read_events(adapter: Adapter[Any], transcript: Transcript, job: Job) -> tuple[list[Event], str | None]:
    """The events that the adapter could read, and its complaint about the rest, if any."""
    events: list[Event] = []
    try:
        for event in adapter.read(transcript, job):
            events.append(event)  # noqa: PERF402 - what was read before a complaint is kept
    except ReadError as error:
        return events, str(error)
    except Exception as error:
        # A reader that breaks on what a program printed loses this trial, not the run.
        return events, f"the adapter failed to read what the program printed ({type(error).__name__}: {error})"
    return events, None


def _counted(measurements: Iterable[Measurement]) -> int | None:
    """N by the strictest count there is."""
    values = (m.value for m in measurements if m.metric == "generated_tokens" and m.value is not None)
    return next((round(value) for value in values), None)


def _with_ids(event: Event, encode: Encode) -> Event:
    """A prompt that is known as text only, with the ids that the model's own tokenizer gives it; but not where the
    runtime counted a different number, for then it did something else with the text."""
    if not isinstance(event, Prompt) or event.ids is not None or event.text is None:
        return event
    ids = encode(event.text)
    if event.count not in (None, len(ids)):
        return event
    return Prompt(t_ns=event.t_ns, ids=ids, count=event.count, text=event.text)
