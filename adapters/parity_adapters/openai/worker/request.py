"""The body of the one request that a trial asks. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parity_worker import RAW_REMEDY, WorkerError

from .dialects import BUDGET, DIALECTS, FIXED_FIELDS, HARMLESS_FIELDS, TOP

ENDPOINTS = {"completions": "completions", "chat": "chat/completions"}

BY_COMPLETIONS = 'set `endpoint = "completions"` in the runtime\'s table, by which a server gets the text itself'
BY_CHAT = f'{RAW_REMEDY}, or set `endpoint = "chat"` in the runtime\'s table, so that the server renders it'


Prompt = str | list[int]
"""What is sent as the prompt: its text, or its ids."""


def text_of(job: Mapping[str, Any]) -> str | None:
    """The text of the prompt; None where the server renders the user's turn itself."""
    test, by_chat = job["test"], job["settings"]["endpoint"] == "chat"
    if by_chat and test["raw"]:
        raise WorkerError("refused", "a chat endpoint renders every prompt, and the test sets `raw`", BY_COMPLETIONS)
    if by_chat:
        return None
    text: str | None = test["prompt"] if test["raw"] else job["chat_turn"]
    if text is None:
        raise WorkerError("refused", "the model's chat template can't be rendered here", BY_CHAT)
    return text


def once_begun(whole: list[int], bare: list[int]) -> list[int]:
    """The ids of a text without a second begin token. `whole`: with the one that the server puts ahead of each text;
    `bare`: without, where the text may hold one of its own."""
    return bare if whole == [*bare[:1], *bare] else whole


def body_of(job: Mapping[str, Any], model: str | None, prompt: Prompt | None) -> dict[str, Any]:
    """`model`: the name by which it is asked for, where it is. `prompt`: None where the server renders it."""
    settings, test = job["settings"], job["test"]
    dialect, sampling = DIALECTS[settings["server"]], test["sampling"]
    asked: dict[str, Any] = {"messages": [{"role": "user", "content": test["prompt"]}]}
    if prompt is not None:
        asked = {"prompt": prompt}
    body = {**asked, "stream": True, "max_tokens": test["max_tokens"], "temperature": sampling["temperature"]}
    if model is not None:
        body["model"] = model
    body |= {**dialect.plain, **dialect.no_cache}
    body |= {key: sampling[key] for key in ("top_k", "top_p") if sampling[key] is not None}
    if sampling["temperature"] > 0:
        # With a seed, some servers leave the way on which they serve everybody.
        body["seed"] = sampling["seed"]
    if dialect.usage:
        body["stream_options"] = {"include_usage": True}
    if test["ignore_end"]:
        body |= {key: test["max_tokens"] if value == BUDGET else value for key, value in dialect.past_end.items()}
    return {**body, **settings["request"]}


def scoring_body_of(job: Mapping[str, Any], model: str | None, prompt: Prompt | None) -> dict[str, Any]:
    """The same request for the whole answer at once, with the likeliest tokens."""
    body, likely = body_of(job, model, prompt), DIALECTS[job["settings"]["server"]].likely
    body.pop("stream_options", None)
    top = job["score"]["top"]
    return {**body, "stream": False, **{key: top if value == TOP else value for key, value in likely.items()}}


def unknown_fields(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the config that may change how tokens are chosen, for all that is known here."""
    known = HARMLESS_FIELDS | FIXED_FIELDS.keys()
    return {key: value for key, value in settings["request"].items() if key not in known}


def goes_past_end(job: Mapping[str, Any]) -> bool:
    """Whether the server is asked to generate on past end tokens, or to choose none."""
    own = bool(job["settings"]["request"].get("ignore_eos"))
    return own or bool(job["test"]["ignore_end"] and DIALECTS[job["settings"]["server"]].past_end)
