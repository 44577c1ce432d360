"""Runs one job in mlx-lm, under any Python from 3.9 that has mlx and mlx-lm.

A worker of `parity_worker`, which starts it and speaks the event protocol. Imports that, mlx and mlx-lm (with the
tokenizers, transformers and NumPy that mlx-lm brings) and the standard library, nothing of parity. A model is an
ordinary MLX folder, or a GGUF file whose own weights, vocabulary and template are used as they are.
"""

from __future__ import annotations

from typing import Any

from parity_worker import Events, WorkerError, asked_settings, checked_sequence, installed_version

from .converting import convert
from .generating import drain, generate, kv_type, prefill_again, report
from .keys import INSTEAD
from .runtime import PACKAGE, REQUIREMENTS, Mlx, import_runtime
from .scoring import logits_after, vocabulary_of
from .tokenizing import Tokenizer
from .weights import Loaded, load_converted, load_folder, load_gguf

__all__ = ["PACKAGE", "REQUIREMENTS", "convert", "device", "run"]


def device() -> str:
    return import_runtime(None).device


def run(events: Events, job: dict[str, Any]) -> str:
    """Does the job; returns the reason for `bye`."""
    settings, test = job["settings"], job["test"]
    request = job["score"] if job["task"] == "score" else None

    events.phase("import", "begin")
    mlx = import_runtime(settings.get("device"))
    events.phase("import", "end")

    events.phase("weights", "begin")
    loaded = load(mlx, job)
    mlx.mx.eval(loaded.model.parameters())
    events.phase("weights", "end")

    events.phase("tokenizer", "begin")
    tokenizer = loaded.tokenizer()
    if request:
        text, ids = None, checked_sequence(request, vocabulary_of(mlx, loaded.model))
    else:
        if tokenizer.doubt is not None and not test["ignore_end"]:
            raise WorkerError("refused", tokenizer.doubt, f"{INSTEAD}, or set `ignore_end = true`")
        text, ids = prompt_of(tokenizer, job)
    loaded.fit(mlx, len(ids) if request else len(ids) + test["max_tokens"])
    events.phase("tokenizer", "end")
    events.phase("ready", "end")
    used = {**settings_used(mlx, loaded, settings), "begin_token": tokenizer.begin}
    events.send("settings", values={**used, **asked_settings(test)})
    if job.get("converted") is not None:
        events.send("settings", values={"weights_converted": job["converted"]["sha256"]})

    cache = mlx.make_prompt_cache(loaded.model)
    if request:
        reason = events.scoring(request, logits_after(mlx, loaded.model, ids[:-1], settings, cache))
        events.send("settings", values={"kv_type": kv_type(cache)})
        return reason
    events.send("prompt", ids=ids, count=len(ids), text=text)
    generation = generate(mlx, loaded.model, ids, test, settings, cache)
    shown, reason = events.generation(generation, tokenizer.end_ids.__contains__, test)

    # mlx-lm computes one step more than it was asked for, and drops it
    events.aside(lambda: drain(mlx))
    events.send("text", text=tokenizer.decode(shown))
    events.send("settings", values={"kv_type": kv_type(cache)})
    report(events, generation.last)
    events.further_prefills(job["further_prefills"], prefill_again(mlx, loaded.model, ids, test, settings))
    return reason


def prompt_of(tokenizer: Tokenizer, job: dict[str, Any]) -> tuple[str, list[int]]:
    """The text and the ids of the job's prompt."""
    test = job["test"]
    rendered = test["prompt"] if test["raw"] else job.get("chat_turn")
    text: str = rendered if rendered is not None else tokenizer.render(test["prompt"])
    ids = tokenizer.encode(text, test["raw"])
    if not ids:
        raise WorkerError("refused", "the prompt is empty: it has no token to begin with")
    return text, ids


def load(mlx: Mlx, job: dict[str, Any]) -> Loaded:
    if job.get("converted") is not None:
        return load_converted(mlx, job["converted"])
    read = load_gguf if job["model"]["format"] == "gguf" else load_folder
    return read(mlx, job["model"], job["settings"].get("dtype"))


def settings_used(mlx: Mlx, loaded: Loaded, settings: dict[str, Any]) -> dict[str, str | int | bool | None]:
    """Settings that the run uses, MLX's own defaults included."""
    return {
        "device": mlx.device,
        "dtype": loaded.dtype,
        "weights": loaded.weights,
        "threads": "MLX has no setting for them" if mlx.device == "cpu" else None,
        "compile": mlx.device != "cpu",
        "prefill_step": settings.get("prefill_step") or 2048,
        "kv_bits": settings.get("kv_bits"),
        "mmap": False,
        "prefix_cache": False,
        "warm_up": False,
        "loop": "mlx_lm.stream_generate",
        "prefill": "all prompt tokens but the last, then the last",
        "steps_past_the_last_token": 1,
        "mlx": installed_version("mlx"),
    }
