"""One request and its answer, as events."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException
from typing import Any

from parity_worker import Events, WorkerError

from .asking import Asker, UnansweredError, pieces
from .dialects import DIALECTS
from .likely import likely_tokens
from .prompting import Sent, to_send
from .request import ENDPOINTS, body_of, scoring_body_of
from .serving import Server
from .stream import CRASH, Answer, Stream, StreamError
from .telling import settings_after, settings_before

HEARTBEAT_S = 5.0

CUT_SHORT = (OSError, HTTPException)
"""What a connection that ends before its answer does raises."""

MIDDLE = "in the middle of its answer"


def ask(events: Events, job: Mapping[str, Any], asker: Asker, server: Server | None) -> str:
    """Sends the request and all that comes of it; returns the reason for `bye`.

    Raises:
        WorkerError: there is no whole answer.
    """
    settings = job["settings"]
    events.send("settings", values=settings_before(job, asker, started=server is not None))
    model = model_name(settings, asker)
    sent = _prompt(job, asker, model, server)
    body = body_of(job, model, sent.prompt)
    connection = asker.connection(None)
    try:
        # What is timed begins with the request, not with the connection.
        connection.connect()
        _now_ready(events, server)
        answer, ended_ns = _streamed(events, connection, asker, ENDPOINTS[settings["endpoint"]], body, server is None)
        stopped = answer.stopped
    except StreamError as error:
        raise _unreadable(error) from error
    except CUT_SHORT as error:
        raise _gone(server) or _lost(error) from error
    finally:
        connection.close()
    events.phase("generate", "end", ended_ns)
    sent.tell(events, asker, settings["server"], _count(answer, "prompt_tokens"))
    _tell(events, job, answer)
    return "end-token" if stopped else "length"


def score(events: Events, job: Mapping[str, Any], asker: Asker, server: Server | None) -> str:
    """Asks for the same answer once more, with how likely its tokens are; returns the reason for `bye`.

    Raises:
        WorkerError: there is no whole answer, or it doesn't show that.
    """
    settings, request = job["settings"], job["score"]
    dialect, model = DIALECTS[settings["server"]], model_name(settings, asker)
    sent = _prompt(job, asker, model, server)
    body = scoring_body_of(job, model, sent.prompt)
    connection, answer = asker.connection(None), Answer()
    _now_ready(events, server)
    try:
        with _heartbeat() if server is None else contextlib.nullcontext():
            content = asker.whole(connection, ENDPOINTS[settings["endpoint"]], body)
        events.asked = True
        answer.read(content)
        stopped = answer.stopped
        found = likely_tokens(content["choices"][0], request["top"], names_chosen=dialect.names_chosen)
    except StreamError as error:
        remedy = None if error.failure == CRASH else "if it shows no log-probabilities, set `logprobs = false`"
        raise _gone(server) or _unreadable(error, remedy) from error
    except CUT_SHORT as error:
        raise _gone(server) or _lost(error) from error
    finally:
        connection.close()
    values = {**settings_before(job, asker, started=server is not None), **settings_after(job, answer)}
    events.send("settings", values={**values, "stopped": stopped})
    sent.tell(events, asker, settings["server"], _count(answer, "prompt_tokens"))
    for position, (token, logprob, top) in enumerate(found, start=request["prompt_tokens"]):
        events.scored(position, token, logprob, None, top)
    events.send("text", text="".join(answer.texts))
    return "scored"


def _prompt(job: Mapping[str, Any], asker: Asker, model: str | None, server: Server | None) -> Sent:
    try:
        return to_send(job, asker, model)
    except UnansweredError as error:
        remedy = 'set `prompt_as = "text"` in the runtime\'s table, so that it is not asked'
        gone = server.died("before it was sent the prompt") if server is not None else None
        raise gone or WorkerError("failed", str(error), remedy, failure=CRASH) from error


def _now_ready(events: Events, server: Server | None) -> None:
    """A server that was running before has no load that is measured. Before it is timed it is asked what is to be known
    of it, which takes long where it is far away."""
    if server is None:
        events.phase("ready", "end")


def model_name(settings: Mapping[str, Any], asker: Asker) -> str | None:
    """The name by which the request asks for the model: the config's, or the only one that the server lists."""
    if settings["model_name"] is not None or not DIALECTS[settings["server"]].names_model:
        name: str | None = settings["model_name"]
        return name
    names = [str(model["id"]) for model in asker.models() if "id" in model]
    if len(names) > 1:
        message = f"the server serves several models: {', '.join(names[:20])}"
        raise WorkerError("refused", message, "set `model_name` in the runtime's table to one of them")
    return names[0] if names else None


def _streamed(
    events: Events, connection: HTTPConnection, asker: Asker, endpoint: str, body: Mapping[str, Any], unseen: bool
) -> tuple[Answer, int]:
    """The answer, and when its text was whole, in ns. `unseen`: the server is no process of this trial."""
    answer, stream = Answer(), Stream()
    with _heartbeat() if unseen else contextlib.nullcontext() as alive:
        begun_ns = ended_ns = time.monotonic_ns()
        response = asker.stream(connection, endpoint, body)
        # Sent late and stamped early: a request that was refused asked the model nothing.
        events.asked = True
        events.phase("prefill", "begin", begun_ns)
        with events.handing_on():
            for piece in pieces(response):
                t_ns = time.monotonic_ns()
                finish = answer.finish
                for event in stream.feed(piece):
                    if text := answer.take(event):
                        events.chunk(t_ns, text)
                        ended_ns = t_ns
                        if alive is not None:
                            alive.set()
                if answer.finish != finish:
                    ended_ns = t_ns
                if answer.done:
                    break
    if answer.finish is None and not answer.done:
        odd = "" if stream.odd is None else f", and it has a line that is no event: {stream.odd}"
        raise ConnectionError(f"its stream has no end{odd}")
    return answer, ended_ns


def _tell(events: Events, job: Mapping[str, Any], answer: Answer) -> None:
    """What the whole answer says of its tokens."""
    generated = _count(answer, "completion_tokens")
    if generated is None and answer.finish == "length":
        generated = job["test"]["max_tokens"]
    if generated is not None:
        events.send("count", generated=generated)
    events.send("text", text="".join(answer.texts))
    if values := settings_after(job, answer):
        events.send("settings", values=values)


def _count(answer: Answer, key: str) -> int | None:
    found = answer.usage.get(key)
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def _gone(server: Server | None) -> WorkerError | None:
    return None if server is None else server.died(MIDDLE)


def _lost(error: Exception) -> WorkerError:
    message = f"the server ended the connection {MIDDLE} ({type(error).__name__}: {error})"
    return WorkerError("failed", message, failure=CRASH)


def _unreadable(error: StreamError, remedy: str | None = None) -> WorkerError:
    what = "failed" if error.failure == CRASH else "can't be read"
    return WorkerError("failed", f"the server's answer {what}: {error}", remedy, failure=error.failure)


@contextlib.contextmanager
def _heartbeat() -> Iterator[threading.Event]:
    """Says now and then that a server is waited for, until the first text is there: its work is not seen, so that
    nothing else tells it from one that stalls. Deadlines hold all the same."""
    alive = threading.Event()

    def beat() -> None:
        while not alive.wait(HEARTBEAT_S):
            print("waiting for the server's first piece of text", file=sys.stderr, flush=True)

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield alive
    finally:
        alive.set()
        thread.join()
