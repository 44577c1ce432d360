"""From what `fluent_builder` wrote to events: instants from its log, the answer from its standard output."""

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from parity.adapter import Job, ReadError, Transcript
from parity.adapter.events import Chunk, Error, Event, Phase, Prompt, Text
from parity_adapters.paraphym import log as marks
from parity_adapters.paraphym.answer import Answer, Shown, find_answer, shown
from parity_adapters.paraphym.facts import in_force
from parity_adapters.paraphym.log import Log
from parity_adapters.paraphym.printed import Instants, figures, statistics_of
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
"""The first sight of each counts: a second worker loads the same model again."""


def read_events(transcript: Transcript, job: Job, settings: ParaphymSettings) -> Iterator[Event]:
    """All events of a trial, in order of time.

    Raises:
        ReadError: Example 1 never began or never ended, or the program asked another model than the job's, or sent
            another prompt than the one known.
    """
    log = Log(transcript)
    _check_model(log, job)
    answer = find_answer(transcript, query_of(job.test.prompt))
    events = [
        *_load(log),
        *_failures(log),
        *_prompt(log, job),
        *_start(log),
        *(_answer(transcript, log, answer) if answer else ()),
        *in_force(transcript, job, log, answer, settings),
    ]
    yield from sorted(events, key=lambda event: event.t_ns)
    if answer is None:
        raise ReadError("the heading of Example 1 is nowhere in its output")
    if answer.ended_ns is None:
        raise ReadError("the heading of Example 2 never came, so nothing says that the answer is whole")


def _check_model(log: Log, job: Job) -> None:
    """The program takes no model: it loads the one that its source names.

    Raises:
        ReadError: which is of another architecture than the job's.
    """
    asked = log.first(marks.PROMPT)
    family = re.match("[a-z]+", asked.match["model"]) if asked else None
    theirs = ARCHITECTURES.get(family[0]) if family else None
    if asked and theirs and job.model.architecture not in (None, theirs):
        raise ReadError(
            f"it ran {asked.match['model']}, which its source names, and this test is of {job.model.title} "
            f"({job.model.architecture})"
        )


def _load(log: Log) -> Iterator[Event]:
    yield from (Phase(t_ns=mark.t_ns, name="download", edge="begin") for mark in log.all(marks.DOWNLOAD))
    yield from (Phase(t_ns=mark.t_ns, name="download", edge="end") for mark in log.all(marks.DOWNLOADED))
    for pattern, phase, edge in _PHASES:
        if mark := log.first(pattern):
            yield Phase(t_ns=mark.t_ns, name=phase, edge=edge)


def _failures(log: Log) -> Iterator[Event]:
    """A pool none of whose workers loaded is an error; ERROR lines of its memory search mean nothing for the answer."""
    served = {mark.match["pool"] for mark in log.all(marks.READY)}
    for mark in log.all(marks.FAILED):
        pool, worker, cause = mark.match["pool"], mark.match["worker"], mark.match["cause"]
        if pool in served:
            continue
        yield Error(
            t_ns=mark.t_ns,
            kind="failed",
            message=f"its {pool} worker {worker} failed, and it would wait for it without end: {cause}",
            remedy=_remedy(cause),
        )


def _remedy(cause: str) -> str | None:
    if re.search("request error|error sending request|status code", cause):
        return "put its models into the Hugging Face cache beforehand (`hf_home`), or let it reach the network"
    if "failed to fill whole buffer" in cause:
        return "its GGUF file is cut short: remove it from the Hugging Face cache and fetch it again"
    return None


def _prompt(log: Log, job: Job) -> Iterator[Event]:
    """The prompt, if its printed length is that of the text known.

    Raises:
        ReadError: it is not.
    """
    sent = log.first(marks.PROMPT)
    turn = compose(job.test.prompt)
    if sent is not None and int(sent.match["bytes"]) != len(turn.encode()):
        raise ReadError(
            f"it sent a prompt of {sent.match['bytes']} bytes, and the one known for this query has "
            f"{len(turn.encode())}: another commit, or something was remembered"
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


def _answer(transcript: Transcript, log: Log, answer: Answer) -> Iterator[Event]:
    """Chunks as they came; once the answer is over also its text, which may be empty, and any statistics."""
    if answer.ended_ns is None:
        yield from _chunks(shown(transcript, answer.start, answer.stop))
        return
    spawned_ns = transcript.spawn.t_ns if transcript.spawn else 0
    body = transcript.data("out")[answer.start : answer.stop]
    printed = statistics_of(body, (answer.ended_ns - spawned_ns) / 1e9)
    stop = answer.stop if printed is None else answer.start + printed.start
    pieces = tuple(shown(transcript, answer.start, stop))
    yield from _chunks(pieces)
    yield Phase(t_ns=answer.ended_ns, name="generate", edge="end")
    yield Text(t_ns=answer.ended_ns, text="".join(piece.text for piece in pieces))
    if printed is not None:
        yield from figures(printed, _instants(answer.ended_ns, log, pieces))


def _chunks(pieces: Iterator[Shown] | Sequence[Shown]) -> Iterator[Event]:
    for piece in pieces:
        yield Chunk(t_ns=piece.t_ns, text=piece.text)


def _instants(end_ns: int, log: Log, pieces: Sequence[Shown]) -> Instants:
    load, start = log.first(marks.LM_LOAD), log.first(marks.START)
    return Instants(
        end=end_ns,
        load=load.t_ns if load else None,
        start=start.t_ns if start else None,
        first_text=pieces[0].t_ns if pieces else None,
    )
