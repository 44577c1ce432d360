"""Generates token by token, and reports what llama.cpp measured itself."""

from __future__ import annotations

import ctypes
import math
import time
from collections.abc import Iterator
from typing import Any

from parity_worker import Events, WorkerError


def new_sampler(llama: Any, sampling: dict[str, Any]) -> Any:
    """Greedy at temperature 0; otherwise truncation only where set, then temperature, then the seeded draw."""
    chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
    if sampling["temperature"] == 0:
        steps = [llama.llama_sampler_init_greedy()]
    else:
        steps = [llama.llama_sampler_init_top_k(sampling["top_k"])] if sampling["top_k"] else []
        steps += [llama.llama_sampler_init_top_p(sampling["top_p"], 1)] if sampling["top_p"] else []
        steps.append(llama.llama_sampler_init_temp(sampling["temperature"]))
        steps.append(llama.llama_sampler_init_dist(sampling["seed"]))
    for step in steps:
        llama.llama_sampler_chain_add(chain, step)
    return chain


class Generation:
    """Ids, each as soon as it is sampled. What follows the last one is never computed.

    `sampling_ns`: how long the choice of all ids but the first took; the computing is over before each is chosen."""

    def __init__(self, llama: Any, context: Any, sampler: Any, prompt: list[int], max_tokens: int) -> None:
        self._llama, self._context, self._sampler = llama, context, sampler
        self._prompt, self._max_tokens = prompt, max_tokens
        self.sampling_ns = 0

    def __iter__(self) -> Iterator[int]:
        token, _ = self._prefill()
        yield token
        for _ in range(1, self._max_tokens):
            forward(self._llama, self._context, [token])
            token, took_ns = self._sample()
            self.sampling_ns += took_ns
            yield token

    def prefill_again(self) -> tuple[int, int]:
        """When a prefill of the prompt with an empty cache began and ended, in ns."""
        self._llama.llama_memory_clear(self._llama.llama_get_memory(self._context), True)
        begun_ns = time.monotonic_ns()
        self._prefill()
        return begun_ns, time.monotonic_ns()

    def _prefill(self) -> tuple[int, int]:
        n_batch = self._llama.llama_n_batch(self._context)
        for start in range(0, len(self._prompt), n_batch):
            forward(self._llama, self._context, self._prompt[start : start + n_batch])
        return self._sample()

    def _sample(self) -> tuple[int, int]:
        """A token, and how long its choice took in ns."""
        self._llama.llama_synchronize(self._context)
        begun_ns = time.perf_counter_ns()
        token = int(self._llama.llama_sampler_sample(self._sampler, self._context, -1))
        return token, time.perf_counter_ns() - begun_ns


def forward(llama: Any, context: Any, tokens: list[int], *, all_logits: bool = False) -> None:
    """Computes the next tokens of the sequence. Without `all_logits`, the logits after the last one alone are kept."""
    count = len(tokens)
    ids = (llama.llama_token * count)(*tokens)  # a batch points to them, and does not keep them
    batch = llama.llama_batch_get_one(ids, count)
    if all_logits:
        batch.logits = (ctypes.c_int8 * count)(*(1,) * count)
    status = llama.llama_decode(context, batch)
    if status != 0:
        raise WorkerError("failed", f"llama_decode gave status {status}")


def report(events: Events, perf: Any, load_ms: float) -> None:
    """llama.cpp's own counters. It clamps them to 1, and a prompt of one token counts as generation."""
    events.figure(
        "load_s", "s", "llama.cpp t_load_ms before the first decode: llama_model_load_from_file alone", load_ms / 1e3
    )
    events.figure(
        "prompt_tps",
        "token/s",
        "llama.cpp n_p_eval / t_p_eval_ms: decode calls of several tokens, computing only, no sampling",
        rate(perf.n_p_eval, perf.t_p_eval_ms),
    )
    events.figure(
        "gen_tps",
        "token/s",
        "llama.cpp n_eval / t_eval_ms: decode calls of one token (N - 1 for N tokens), computing only, no sampling",
        rate(perf.n_eval, perf.t_eval_ms),
    )


def rate(count: int, total_ms: float) -> float:
    return count / total_ms * 1e3 if total_ms > 0 else math.inf
