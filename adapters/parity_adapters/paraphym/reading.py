"""From what `fluent_builder` wrote to events: instants from its log, the answer from its standard output."""

import re
from collections.abc import Iterator
from typing import Literal

from parity.adapter import Job, ReadError, Transcript
from parity.adapter.events import Chunk, Error, Event, Phase, Prompt, Text
from parity_adapters.paraphym import log as marks
from parity_adapters.paraphym.answer import Answer, find_answer
from parity_adapters.paraphym.facts import settings_used
from parity_adapters.paraphym.log import Log
from parity_adapters.paraphym.printed import statistics_start
from parity_adapters.paraphym.prompt import chat, compose, query_of
from parity_adapters.paraphym.settings import ParaphymSettings

CHATML_MODELS = ("qwen-3",)
"""Models whose template is known to be `prompt.chat`."""

ARCHITECTURES = {"qwen": "qwen3", "phi": "phi3"}
"""First word of the program's name for a model → architecture as GGUF files spell it."""

_PHASES: tuple[
    tuple[str, Literal["header", "weights", "tokenizer", "lm-load", "ready"], Literal["begin", "end"]], ...
] = (
    (marks.LM_LOAD, "lm-load", "begin"),
    (marks.WEIGHTS_FILE, "weights", "begin"),
    (marks.HEADER, "header", "end"),
    (marks.WEIGHTS, "weights", "end"),
    (marks.TOKENIZER, "tokenizer", "end"),
    (marks.LM_READY, "ready", "end"),
    (marks.LM_READY, "lm-load", "end"),
)
"""The first line of each counts: a second worker loads the same model again."""


def read_events(transcript: Transcript, job: Job, settings: ParaphymSettings) -> Iterator[Event]:
    """All events of a trial, in order of time.

    Raises:
        ReadError: Example 1 never began or never ended, or the program ran a model other than the job's, or sent a
            prompt other than the known one.
    """
    log = Log(transcript)
    _check_model(log, job)
    answer = find_answer(transcript, query_of(job.test.prompt))
    events = [
        *_load(log),
        *_failures(log),
        *_prompt(log, job),
        *_start(log),
        *(_answer(transcript, answer) if answer else ()),
        *settings_used(transcript, job, log, answer, settings),
    ]
    yield from sorted(events, key=lambda event: event.t_ns)
    if answer is None:
        raise ReadError("its output has no heading of Example 1")
    if answer.ended_ns is None:
        raise ReadError("the heading of Example 2 never came, so the answer may be incomplete")


def _check_model(log: Log, job: Job) -> None:
    """The program takes no model: it loads the one that its source names.

    Raises:
        ReadError: that one's architecture isn't the job's.
    """
    asked = log.first(marks.PROMPT)
    family = re.match("[a-z]+", asked.match["model"]) if asked else None
    theirs = ARCHITECTURES.get(family[0]) if family else None
    if asked and theirs and job.model.architecture not in (None, theirs):
        raise ReadError(
            f"it ran {asked.match['model']}, which its source names, but this test is of {job.model.title} "
            f"({job.model.architecture})"
        )


def _load(log: Log) -> Iterator[Event]:
    yield from (Phase(t_ns=mark.t_ns, name="download", edge="begin") for mark in log.all(marks.DOWNLOAD))
    yield from (Phase(t_ns=mark.t_ns, name="download", edge="end") for mark in log.all(marks.DOWNLOADED))
    for pattern, phase, edge in _PHASES:
        if mark := log.first(pattern):
            yield Phase(t_ns=mark.t_ns, name=phase, edge=edge)


def _failures(log: Log) -> Iterator[Event]:
    """A pool of which no worker loaded is an error; ERROR lines of its memory search don't affect the answer."""
    served = {mark.match["pool"] for mark in log.all(marks.READY)}
    for mark in log.all(marks.FAILED):
        pool, worker, cause = mark.match["pool"], mark.match["worker"], mark.match["cause"]
        if pool in served:
            continue
        remedy = _remedy(cause)
        yield Error(
            t_ns=mark.t_ns,
            kind="failed" if remedy is None else "unavailable",
            message=f"its {pool} worker {worker} failed, and the program would wait for it for ever: {cause}",
            remedy=remedy,
        )


def _remedy(cause: str) -> str | None:
    """What helps against a cause that lies in its files: the model was never asked anything then, so that the trial
    says nothing of the program."""
    if re.search("request error|error sending request|status code", cause):
        return "put its models into the Hugging Face cache (`hf_home`) before the run, or give it access to the network"
    if "failed to fill whole buffer" in cause:
        return "its GGUF file is incomplete: remove it from the Hugging Face cache (`hf_home`) and download it again"
    if re.search(r"No such file or directory|os error 2\b|[Tt]okenizer file", cause):
        return "a file of its models is missing: put all of `hub_files` into the Hugging Face cache (`hf_home`)"
    return None


def _prompt(log: Log, job: Job) -> Iterator[Event]:
    """The prompt, if the printed length is that of the known text.

    Raises:
        ReadError: it isn't.
    """
    sent = log.first(marks.PROMPT)
    turn = compose(job.test.prompt)
    if sent is not None and int(sent.match["bytes"]) != len(turn.encode()):
        raise ReadError(
            f"it sent a prompt of {sent.match['bytes']} bytes, but the known prompt for this query has "
            f"{len(turn.encode())}: this commit composes it differently, or the program added memories"
        )
    count = log.first(marks.PROMPT_COUNT)
    if sent is None and count is None:
        return
    known = sent is not None and sent.match["model"] in CHATML_MODELS
    yield Prompt(
        t_ns=(sent or count).t_ns,  # type: ignore[union-attr]
        count=int(count.match["count"]) if count else None,
        text=chat(turn) if known else None,
    )


def _start(log: Log) -> Iterator[Event]:
    if start := log.first(marks.START):
        yield Phase(t_ns=start.t_ns, name="prefill", edge="begin")
    if first := log.first(marks.FIRST_TOKEN):
        yield Phase(t_ns=first.t_ns, name="prefill", edge="end")


def _answer(transcript: Transcript, answer: Answer) -> Iterator[Event]:
    """Chunks as they came; once the answer is over also its text, which may be empty."""
    stop = answer.stop
    if answer.ended_ns is not None:
        spawned_ns = transcript.spawn.t_ns if transcript.spawn else 0
        body = transcript.data("out")[answer.start : answer.stop]
        statistics = statistics_start(body, (answer.ended_ns - spawned_ns) / 1e9)
        stop = answer.stop if statistics is None else answer.start + statistics
    pieces = tuple(transcript.text_between("out", answer.start, stop))
    yield from (Chunk(t_ns=t_ns, text=text) for t_ns, text in pieces)
    if answer.ended_ns is not None:
        yield Phase(t_ns=answer.ended_ns, name="generate", edge="end")
        yield Text(t_ns=answer.ended_ns, text="".join(text for _, text in pieces))
