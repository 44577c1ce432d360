"""Runs one job in llama-cpp-python, under any Python from 3.9 that has it.

A worker of `parity_worker`, which starts it and speaks the event protocol. Imports that, llama_cpp and the standard
library, nothing of parity; for scores also NumPy, which llama-cpp-python needs itself. The loop is the low-level one
(decode, sample, decode), in a fresh context without prefix cache and without a warm-up forward.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from parity_worker import Events, asked_settings, checked_sequence

from .generating import Generation, new_sampler, report
from .loading import gelu_of, load_model, new_context, refuse_window, settings_used
from .runtime import PACKAGE, REQUIREMENTS, Log, device, import_runtime
from .scoring import logits_after
from .tokenizing import begin_token, decode, render, tokenize

__all__ = ["PACKAGE", "REQUIREMENTS", "device", "run"]


def run(events: Events, job: dict[str, Any]) -> str:
    """Does the job; returns the reason for `bye`."""
    # What is not freed makes llama.cpp's Metal backend abort at exit, also after a job that failed.
    with ExitStack() as held:
        return run_holding(held, events, job)


def run_holding(held: ExitStack, events: Events, job: dict[str, Any]) -> str:
    settings, test = job["settings"], job["test"]
    request = job["score"] if job["task"] == "score" else None

    events.phase("import", "begin")
    llama = import_runtime()
    events.phase("import", "end")

    log = Log(llama)
    events.phase("weights", "begin")
    model, extra_buffers = load_model(llama, job["model"], settings, log)
    held.callback(llama.llama_model_free, model)
    events.phase("weights", "end")

    events.phase("tokenizer", "begin")
    vocab = llama.llama_model_get_vocab(model)
    vocabulary = llama.llama_vocab_n_tokens(vocab)
    text, ids = (None, checked_sequence(request, vocabulary)) if request else prompt_of(llama, model, vocab, job)
    events.phase("tokenizer", "end")

    # As large for scores as for the answer that is scored: some files compute by the context's size.
    need = max(len(ids), request["prompt_tokens"] + test["max_tokens"]) if request else len(ids) + test["max_tokens"]
    refuse_window(job["model"], len(ids) if request else need)
    context = new_context(llama, model, settings, need, log)
    held.callback(llama.llama_free, context)
    sampler = new_sampler(llama, test["sampling"])
    held.callback(llama.llama_sampler_free, sampler)
    load_ms = llama.llama_perf_context(context).t_load_ms
    events.phase("ready", "end")
    used = settings_used(llama, context, settings, log)
    used["bos"] = bool(llama.llama_vocab_get_add_bos(vocab))
    used["begin_token"] = begin_token(llama, model, vocab)
    used.update(gelu_of(job["model"], used["device"]))
    events.send("settings", values={**used, "extra_buffers": extra_buffers, **asked_settings(test)})
    if request:
        return events.scoring(request, logits_after(llama, context, vocabulary, ids[:-1]))
    events.send("prompt", ids=ids, count=len(ids), text=text)

    answer = Generation(llama, context, sampler, ids, test["max_tokens"])
    shown, reason = events.generation(answer, lambda token: llama.llama_vocab_is_eog(vocab, token), test)

    events.send("text", text=decode(llama, vocab, shown))
    events.send("sampling", seconds=answer.sampling_ns / 1e9)
    report(events, llama.llama_perf_context(context), load_ms)
    events.further_prefills(job["further_prefills"], answer.prefill_again)
    return reason


def prompt_of(llama: Any, model: Any, vocab: Any, job: dict[str, Any]) -> tuple[str, list[int]]:
    """The text and the ids of the job's prompt."""
    test = job["test"]
    rendered = test["prompt"] if test["raw"] else job.get("chat_turn")
    text: str = rendered if rendered is not None else render(llama, model, vocab, test["prompt"])
    return text, tokenize(llama, vocab, text)
