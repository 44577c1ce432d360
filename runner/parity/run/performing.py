"""One trial: from its slot to the job, the launch, the transcript, and what was read of it."""

from dataclasses import replace
from functools import partial
from typing import Any

from parity.adapter.events import Settings
from parity.config import LoadedConfig, TestConfig, test_spec
from parity.errors import ModelError, RefusedError
from parity.models import Step
from parity.models.tokenizer import write_tokenizer
from parity.private import OWNER_ALONE
from parity.reading.conditions import under_conditions
from parity.reading.events import read_events
from parity.reading.identity import WEIGHTS_FILE
from parity.records import Job, ModelFacts, ScoreRequest, Slot, TestSpec, Trial, TrialKind
from parity.run.converting import converted_for
from parity.run.exact import StoppedError, check_ready, patient
from parity.run.files import look, may_be_weights, programs_of
from parity.run.hashes import record_program, record_weights_sha256, recorded_weights, recorded_weights_sha256
from parity.run.keeping import job_without_secrets
from parity.run.prepared import Prepared
from parity.run.prompts import rendered_prompt
from parity.run.request import limits_of_score, request_of
from parity.run.score import read_slot
from parity.run.session import Session
from parity.run.surroundings import brought
from parity.run.unspawned import unspawned
from parity.transcript import Head, Transcript, add_files

FURTHER_PREFILLS = 3
"""Of a timed trial whose runtime can repeat its prompt: enough for a median, and bounded in time by the runtime."""


def perform(
    session: Session, prepared: Prepared, model: ModelFacts, slot: Slot, sequence: ScoreRequest | None = None
) -> Trial:
    """Runs the trial of a slot and reads it. Its transcript is on disk, and synced, before this returns. `prepared` and
    `model` are those of the exact arm where the slot is one of its. `sequence`: what a trial of the task `score`
    scores."""
    folder, host = session.folder, session.hosts[slot.host]
    path = folder.new_trial_path(slot)
    with host.scratch() as scratch:
        settings = prepared.adapter.settings.model_dump(mode="json")
        job = _job(session, model, slot, settings, scratch).but(score=sequence)
        kept = job_without_secrets(job, session.loaded.secrets)
        head = Head(purpose="trial", runtime=slot.runtime, slot=slot, job=kept)
        try:
            if slot.task not in prepared.adapter.tasks:
                raise RefusedError(f"{prepared.adapter.name} can't do the task `{slot.task}`")
            if slot.kind == "exact":
                check_ready(session, model)
            elif converted := converted_for(folder, slot.runtime, model.name):
                job = job.but(converted=converted)
                head = head.but(job=job_without_secrets(job, session.loaded.secrets))
            launch = prepared.adapter.launch(job, prepared.build)
        except RefusedError as error:
            transcript = unspawned(path, head, str(error), "refused")
        except StoppedError:
            transcript = unspawned(path, head, "the run was interrupted", "cancelled")
        else:
            config = session.loaded.config
            common = config.runtimes[slot.runtime]
            limits = patient(config.limits) if slot.kind == "exact" else config.limits
            limits = limits_of_score(limits, len(sequence.ids), own=sequence.own) if sequence is not None else limits
            head = head.but(limits=limits)
            request = request_of(common, launch, head, limits, session.loaded.secrets)
            programs = programs_of(request, job)
            seen = look(job, programs, recorded_weights(folder))
            request = replace(request, head=head.but(files=seen), page_cache=brought(session, host, model))
            transcript = host.run(request, path, cancel=session.cancel, watch=session.progress.sight)
            chosen = _chosen_weights(session, prepared, slot, transcript, job)
            seen = look(job, programs, dict.fromkeys((*recorded_weights(folder), *chosen)))
            add_files(path, seen)
            transcript = replace(transcript, files_after=seen)
    record_program(folder, slot.runtime, transcript)
    trial = read_slot(prepared.adapter, slot, path.name, transcript, folder, partial(recorded_weights_sha256, folder))
    trial = under_conditions(trial, transcript, session.loaded.config.conditions)
    try:
        folder.append_result(trial)
    except OSError as error:
        # It is a copy of what the transcript says, which is on disk.
        session.progress.note(f"warning: {error.filename or folder.path}: {error.strerror}")
    return trial


def _chosen_weights(
    session: Session, prepared: Prepared, slot: Slot, transcript: Transcript, job: Job
) -> tuple[str, ...]:
    """The weights file that the runtime chose by itself, if it says which, and parity may read it: what a program
    names may be a device without end."""
    if prepared.adapter.reads_patterns:
        # What a config's patterns find is no name of a file, and a slow one would be searched for twice.
        return ()
    events, _ = read_events(prepared.adapter, transcript, job)
    named = {event.values.get(WEIGHTS_FILE) for event in events if isinstance(event, Settings)}
    paths = sorted(str(path) for path in named - {None, job.model.path})
    allowed = [path for path in paths if may_be_weights(path, session, slot, job)]

    def watch(step: Step) -> None:
        # A file with holes may be larger than any disk, and the deadlines of the trial are over.
        if session.cancel.count:
            raise StoppedError
        session.progress.fetched(step)

    try:
        return tuple(path for path in allowed if record_weights_sha256(session.folder, path, watch) is not None)
    except StoppedError:
        return ()


def supply_tokenizers(session: Session, models: tuple[ModelFacts, ...]) -> None:
    """Puts each model's `tokenizer.json` into the run folder. Without it, runtimes that need one refuse the job."""
    for model in models:
        target = session.folder.tokenizer_path(model.name)
        if target.exists():
            continue
        try:
            session.progress.note(f"{model.name}: preparing its tokenizer.json")
            target.parent.mkdir(OWNER_ALONE, exist_ok=True)
            # Half a tokenizer of a run that was killed must not be taken for a whole one.
            write_tokenizer(model, target.with_suffix(".partial")).replace(target)
        except ModelError as error:
            session.progress.note(f"{model.name}: {error}")


def _job(session: Session, model: ModelFacts, slot: Slot, settings: dict[str, Any], scratch: str) -> Job:
    loaded, folder = session.loaded, session.folder
    test = loaded.config.test(slot.test)
    tokenizer = folder.tokenizer_path(model.name)
    return Job(
        runtime=slot.runtime,
        adapter=loaded.config.runtimes[slot.runtime].adapter,
        settings=settings,
        model=model,
        task=slot.task,
        test=job_test(loaded, test, slot.kind),
        round=slot.round,
        warmup=slot.warmup,
        kind=slot.kind,
        tokenizer=str(tokenizer.resolve()) if tokenizer.exists() else None,
        further_prefills=FURTHER_PREFILLS if slot.kind in ("full", "floor") and slot.is_measured else 0,
        chat_turn=rendered_prompt(session, model.name, test.name),
        scratch=scratch,
    )


def job_test(loaded: LoadedConfig, test: TestConfig, kind: TrialKind) -> TestSpec:
    """A test as the job of one trial carries it: with the budget of that trial."""
    spec = test_spec(loaded, test)
    return spec.but(max_tokens=test.short_tokens) if kind in ("short", "floor-short") else spec
