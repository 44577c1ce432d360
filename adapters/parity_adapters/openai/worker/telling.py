"""What is known of the server that answers, as events and settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity_worker import PROTOCOL, Events, usable_cpus

from .asking import Asker
from .dialects import DIALECTS, Dialect
from .request import goes_past_end, unknown_fields
from .stream import Answer

STOPS_AT_END = "end token or token budget"


def introduce(events: Events, settings: Mapping[str, Any], version: str | None, t_ns: int | None = None) -> None:
    """A server is known by its kind: two of one kind are one program."""
    events.send(
        "hello",
        t_ns,
        protocol=PROTOCOL,
        runtime=settings["server"],
        version=version or "version not told",
        device=settings["device"],
    )


def version_of(asker: Asker, dialect: Dialect) -> str | None:
    path, *keys = dialect.version or (None,)
    found = asker.found(asker.root + path, *keys) if path is not None else None
    return found if isinstance(found, str) and found else None


def settings_before(job: Mapping[str, Any], asker: Asker, *, started: bool) -> dict[str, Any]:
    """What is known before the request. Of a server that was running before, nobody knows what it has computed."""
    settings, test = job["settings"], job["test"]
    values = {
        **test["sampling"],
        "server": settings["server"],
        "endpoint": settings["endpoint"],
        "stop_rule": _stop_rule(job),
        "past_end": goes_past_end(job),
        "warm_up": not started,
        "already_running": not started,
        "prefix_cache": _may_hold_prompt(settings, started=started),
    }
    if more := unknown_fields(settings):
        named = ", ".join(f"{key}={value}" for key, value in sorted(more.items()))
        values["sampling"] = f"fields of `request` that may change it: {named}"[:200]
    if started:
        values["affinity"] = ",".join(map(str, usable_cpus()))
        if settings["ready"] is None and not DIALECTS[settings["server"]].loaded:
            values["loaded_when_ready"] = False
    if settings["threads"] is not None:
        values["threads"] = settings["threads"]
    told = any("{model}" in word for word in settings["command"] or ())
    if not told:
        values["weights_file"] = _weights_file(job, asker, started=started)
    return values


def settings_after(job: Mapping[str, Any], answer: Answer) -> dict[str, Any]:
    """What the answer itself says. One that stopped at an end token shows that the server does not go on past these."""
    values: dict[str, Any] = {}
    if answer.stopped and goes_past_end(job):
        values |= {"past_end": False, "stop_rule": STOPS_AT_END}
    details = answer.usage.get("prompt_tokens_details")
    for found in (details.get("cached_tokens") if isinstance(details, dict) else None, answer.timings.get("cache_n")):
        if isinstance(found, int) and found >= 0:
            values["prefix_cache"] = found > 0
            values["cached_prompt_tokens"] = found
    if answer.fingerprint is not None:
        values["system_fingerprint"] = answer.fingerprint[:200]
    return values


def _stop_rule(job: Mapping[str, Any]) -> str:
    return "token budget" if goes_past_end(job) else STOPS_AT_END


def _may_hold_prompt(settings: Mapping[str, Any], *, started: bool) -> bool:
    """Whether its cache may hold the prompt. A server that was just started was asked nothing yet."""
    if settings["prefix_cache"] is not None:
        return bool(settings["prefix_cache"])
    return not started and not DIALECTS[settings["server"]].no_cache


def _weights_file(job: Mapping[str, Any], asker: Asker, *, started: bool) -> str | None:
    """The file of the weights that the server says it has loaded; what the config names counts where the server says
    nothing, or names the folder that the file is in. The job's own path where it is the same file. None where nobody
    says it."""
    named: str | None = job["settings"]["weights_file"]
    told = _told_file(asker) if started or asker.is_local else None
    if told is None or (named is not None and Path(told).resolve() in Path(named).resolve().parents):
        told = named
    if told is None or not os.path.exists(told):  # noqa: PTH110 - any text
        return None
    path: str = job["model"]["path"]
    return path if Path(told).resolve() == Path(path).resolve() else told


def _told_file(asker: Asker) -> str | None:
    """The path on this machine that the server itself says it has loaded."""
    models = asker.models()
    candidates = [asker.found(f"{asker.root}/props", "model_path")]
    candidates += [model.get(key) for model in models if len(models) == 1 for key in ("root", "id")]
    paths = (found for found in candidates if isinstance(found, str) and found.startswith("/"))
    return next((path for path in paths if os.path.exists(path)), None)  # noqa: PTH110 - any text
