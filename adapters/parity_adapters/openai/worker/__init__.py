"""Asks a server that speaks the OpenAI-compatible API for one answer, and stamps each piece of it as it arrives.

A worker of `parity_worker`, which starts it and speaks the event protocol. Imports that and the standard library alone.
Where the config gives a command, it starts the server and ends it; otherwise the server was running before.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from parity_worker import Events, WorkerError

from .answering import ask, score
from .asking import Asker
from .dialects import DIALECTS, REFUSED_PROMPT
from .serving import served
from .telling import introduce, version_of

__all__ = ["PACKAGE", "probe", "run"]

PACKAGE = None
"""It is no Python package that is measured, and it introduces itself."""

LONGEST_LOAD_S = 3600.0
"""For an answer that comes once the model is loaded; the limits of the trial end it earlier."""


def probe(events: Events, settings: dict[str, Any]) -> str:
    """Asks a server that is running what it is."""
    dialect, key = DIALECTS[settings["server"]], None
    try:
        key = _key(settings)
        asker = Asker(settings["url"], key)
        _find(asker, settings)
        introduce(events, settings, version_of(asker, dialect))
    except WorkerError:
        introduce(events, settings, None)
        raise
    return "probe"


def run(events: Events, job: dict[str, Any]) -> str:
    """Does the job; returns the reason for `bye`."""
    settings, model = job["settings"], job["model"]["path"]
    command = settings["command"]
    words = None if command is None else [word.replace("{model}", model) for word in command]
    introduced = False
    try:
        if job["task"] == "score" and not job["score"]["own"]:
            raise WorkerError("refused", "a server shows how likely its own answer is, and scores no given ids")
        key = _key(settings)
        with served(words, settings["cwd"]) as server:
            asker = Asker(settings["url"] if server is None else f"http://127.0.0.1:{server.port}/v1", key)
            dialect = DIALECTS[settings["server"]]
            ready_ns = None
            if server is None:
                _find(asker, settings)
            else:
                ready_ns = server.wait_until(lambda: _is_ready(asker, settings["ready"] or dialect.ready))
            introduced = True
            introduce(events, settings, version_of(asker, dialect), ready_ns)
            if ready_ns is not None:
                events.phase("ready", "end", ready_ns)
            return score(events, job, asker, server) if job["task"] == "score" else ask(events, job, asker, server)
    except WorkerError:
        if not introduced:
            introduce(events, settings, None)
        raise


def _is_ready(asker: Asker, endpoint: str) -> bool:
    if endpoint == REFUSED_PROMPT:
        asked = {"prompt": 0, "max_tokens": 1}
        return asker.plain(f"{asker.path}/completions", asked, LONGEST_LOAD_S) is not None
    answer = asker.plain(asker.root + endpoint)
    return answer is not None and answer[0] == 200


def _find(asker: Asker, settings: Mapping[str, Any]) -> None:
    """Raises WorkerError where no server answers."""
    if asker.plain(f"{asker.path}/models") is None:
        message = f"no server answers at {settings['url']}"
        raise WorkerError("unavailable", message, "start the server, or correct `url` in the config")


def _key(settings: Mapping[str, Any]) -> str | None:
    name = settings["api_key_env"]
    if name is None:
        return None
    # A key that is read from a file often has the end of its line.
    key, remedy = os.environ.get(name, "").strip(), f"set {name} to the server's key"
    if not key:
        raise WorkerError("refused", f"the environment variable {name}, which `api_key_env` names, is not set", remedy)
    if not (key.isascii() and key.isprintable()):
        message = f"the key in the environment variable {name} has a character that no header of a request can hold"
        raise WorkerError("refused", message, remedy)
    return key
