"""A worker for llama-cpp-python that has met its prompt before: the state of a first answer is used again."""

from __future__ import annotations

import itertools
from typing import Any

from parity_worker import Events, asked_settings

PACKAGE = "llama-cpp-python"
REQUIREMENTS = (PACKAGE,)


def device() -> str:
    return "cpu"


def run(events: Events, job: dict[str, Any]) -> str:
    from llama_cpp import Llama

    test = job["test"]
    model = Llama(job["model"]["path"], n_ctx=512, n_threads=1, n_threads_batch=1, verbose=False)
    events.phase("weights", "end")
    ids = model.tokenize(test["prompt"].encode(), add_bos=False, special=True)
    next(model.generate(ids, temp=0.0))
    events.phase("ready", "end")
    settings = {"device": "cpu", "threads": 1, "prefix_cache": True}
    events.send("settings", values={**settings, **asked_settings(test)})
    events.send("prompt", ids=ids, count=len(ids), text=test["prompt"])
    tokens = itertools.islice(model.generate(ids, temp=0.0), test["max_tokens"])
    shown, reason = events.generation(tokens, lambda token: False, test)
    events.send("text", text=model.detokenize(shown).decode("utf-8", errors="replace"))
    return reason
