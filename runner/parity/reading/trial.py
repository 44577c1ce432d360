"""From the transcript of one trial to its record: its failure, or its measurements and its identity. Pure."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from parity.adapter import Adapter
from parity.adapter.events import Bye, Event, Prompt, ScoredPosition
from parity.errors import ModelError
from parity.models.pieces import Pieces
from parity.models.tokenizer import Encode
from parity.reading import outcome, stamps
from parity.reading.counted import miscounted
from parity.reading.departures import departures_in_setup, departures_of
from parity.reading.events import read_events
from parity.reading.identity import Sha256Of, identity_of, shown_text
from parity.reading.measure import measure
from parity.reading.notices import notices_of
from parity.reading.own_answer import of_own_answer
from parity.reading.retokenised import pieces_of, text_ids
from parity.reading.stages import stages_of
from parity.reading.timeline import Timeline
from parity.reading.use import threads_of, use_of
from parity.records import Failure, Measurement, Scored, Slot, Trial
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
    read = read_events(adapter, transcript, job)
    try:
        return _trial(adapter, slot, file, transcript, read, encode, sha256_of, piece_of)
    except ModelError as error:
        # Without ids of its text, this trial proves nothing; the next runtime may print them.
        read = read[0], read[1] or error.wrong
        return _trial(adapter, slot, file, transcript, read, None, sha256_of, None)


def _trial(
    adapter: Adapter[Any],
    slot: Slot,
    file: str,
    transcript: Transcript,
    read: tuple[list[Event], str | None],
    encode: Encode | None,
    sha256_of: Sha256Of,
    piece_of: Pieces | None,
) -> Trial:
    """`read`: the events, and the adapter's complaint about the rest. Raises ModelError where the model's tokenizer
    fails on a text whose ids are needed."""
    job = transcript.head.job
    assert job is not None, "a trial's transcript opens with its job"
    events, unreadable = read
    own_text = text_ids(events, encode, piece_of)
    retokenised = encode is not None and any(isinstance(event, Prompt) and event.ids is None for event in events)
    if encode is not None:
        told = _tells_count(Timeline(transcript, events))
        events = [_with_ids(event, encode) if told else event for event in events]
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
        notices=notices_of(transcript, adapter.warns),
        wall_s=_wall_s(transcript),
        stages=stages_of(Timeline(transcript, events)),
        command=transcript.launch.argv if transcript.launch else (),
    )
    if blank.failure is not None:
        return blank
    if slot.task == "score":
        return _scored(blank, adapter, transcript, events, sha256_of, piece_of)
    count_tokens = None if encode is None else lambda text: len(encode(text))
    timeline = Timeline(transcript, events, count_tokens)
    measurements = measure(transcript, events, count_tokens, adapter.figures_by, piece_of)
    untold = adapter.untold(job)
    ran = identity_of(job, transcript, events, sha256_of, untold)
    return blank.but(
        measurements=measurements,
        departures=(
            *departures_of(transcript, ran, events, encode, adapter.device_asked, untold),
            *stamps.doubts(timeline, job.model),
            *miscounted(timeline),
        ),
        identity=ran.but(
            prompt_retokenised=retokenised and ran.prompt_ids_sha256 is not None,
            generated_tokens=ran.generated_tokens or _counted(measurements, events),
        ),
        text=shown_text(events),
        prompt_ids=_shared(timeline.prompt_ids),
        output_ids=_shared(tuple(token.id for token in timeline.tokens) or None),
        text_ids=own_text,
        pieces=pieces_of(own_text or (), piece_of),
        use=use_of(timeline),
        threads=threads_of(timeline),
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
    ran = identity_of(job, transcript, events, sha256_of, adapter.untold(job))
    scores = tuple(
        Scored(position=e.position, id=e.id, logprob=e.logprob, logsumexp=e.logsumexp, top=tuple(e.top))
        for e in events
        if isinstance(e, ScoredPosition)
    )
    trial = blank.but(
        identity=ran,
        departures=departures_in_setup(transcript, ran, adapter.device_asked),
        prompt_ids=Timeline(transcript, events).prompt_ids,
        scores=scores,
        pieces=pieces_of((token for s in scores for token in (s.id, *dict(s.top))), piece_of),
    )
    if job.score is None or not job.score.own:
        return trial
    return of_own_answer(trial.but(text=shown_text(events)), job.score)


@lru_cache(maxsize=256)
def _shared(ids: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """The same numbers for the same ids: the trials of a test have one prompt, and mostly one answer, and a run keeps
    all of its trials in memory."""
    return ids


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


def _counted(measurements: Iterable[Measurement], events: Sequence[Event]) -> int | None:
    """N by the strictest count there is, of a program that counts none itself. Its text shows no end token."""
    values = (m.value for m in measurements if m.metric == "generated_tokens" and m.value is not None)
    ended = any(isinstance(event, Bye) and event.reason == "end-token" for event in events)
    return next((round(value) + ended for value in values), None)


def _tells_count(timeline: Timeline) -> bool:
    """Whether its ids can be told by its text. A server may put a begin token ahead of the text, so that
    its own count has to fit."""
    return not timeline.is_of_a_server or timeline.prompt_tokens is not None


def _with_ids(event: Event, encode: Encode) -> Event:
    """A prompt that is known as text only, with the ids that the model's own tokenizer gives it; but not where the
    runtime counted a different number, for then it did something else with the text."""
    if not isinstance(event, Prompt) or event.ids is not None or event.text is None:
        return event
    ids = encode(event.text)
    if event.count not in (None, len(ids)):
        return event
    return Prompt(t_ns=event.t_ns, ids=ids, count=event.count, text=event.text)
