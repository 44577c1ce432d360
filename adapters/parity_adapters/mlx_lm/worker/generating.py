"""Generates with mlx-lm's own loop, and reports what mlx-lm measured itself."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from typing import Any

from parity_worker import Events

from .runtime import Mlx


class Generation:
    """The ids of a generation, and mlx-lm's last response once they have been read."""

    def __init__(self, responses: Any) -> None:
        self._responses = responses
        self.last: Any = None

    def __iter__(self) -> Iterator[int]:
        for response in self._responses:
            self.last = response
            yield response.token


def generate(
    mlx: Mlx, model: Any, ids: list[int], test: dict[str, Any], settings: dict[str, Any], cache: list[Any]
) -> Generation:
    """mlx-lm's own loop, fed with ids and read by ids: its detokeniser and its end tokens are left out, so that a
    response is there as soon as its id is, and generation ends where the test says."""

    from mlx_lm.tokenizer_utils import StreamingDetokenizer, TokenizerWrapper

    class NoText(StreamingDetokenizer):  # type: ignore[misc]
        text, offset, tokens = "", 0, ()

        def reset(self) -> None:
            pass

        def add_token(self, token: int) -> None:
            pass

        def finalize(self) -> None:
            pass

    class IdsOnly(TokenizerWrapper):  # type: ignore[misc]
        detokenizer = NoText()
        eos_token_ids: frozenset[int] = frozenset()

        def __init__(self) -> None:
            pass

    sampling = test["sampling"]
    mlx.mx.random.seed(sampling["seed"])
    quantised = {"kv_bits": settings["kv_bits"], "quantized_kv_start": 0} if settings.get("kv_bits") else {}
    responses = mlx.stream_generate(
        model,
        IdsOnly(),
        ids,
        max_tokens=test["max_tokens"],
        sampler=mlx.make_sampler(
            temp=sampling["temperature"], top_p=sampling["top_p"] or 0.0, top_k=sampling["top_k"] or 0
        ),
        prompt_cache=cache,
        prefill_step_size=settings.get("prefill_step") or 2048,
        **quantised,
    )
    return Generation(responses)


def prefill_again(mlx: Mlx, model: Any, ids: list[int], test: dict[str, Any], settings: dict[str, Any]) -> Any:
    """A function that computes the prompt once more with an empty cache, and returns when that began and ended in ns;
    after that, it waits for the second step, which mlx-lm begins and nobody reads."""

    def prefill() -> tuple[int, int]:
        cache = mlx.make_prompt_cache(model)
        tokens = iter(generate(mlx, model, ids, {**test, "max_tokens": 1}, settings, cache))
        begun_ns = time.monotonic_ns()
        next(tokens)
        ended_ns = time.monotonic_ns()
        drain(mlx)
        return begun_ns, ended_ns

    return prefill


def drain(mlx: Mlx) -> list[tuple[int, int]]:
    """Waits for all that mlx-lm's loop began. There is no prefill in it."""
    mlx.mx.synchronize(importlib.import_module("mlx_lm.generate").generation_stream)
    return []


def kv_type(cache: list[Any]) -> str | None:
    """The type that the first layer's cache really has."""
    keys = getattr(cache[0], "keys", None)
    if isinstance(keys, (tuple, list)):
        return f"{cache[0].bits} bits in groups of {cache[0].group_size}"
    return str(keys.dtype).rsplit(".", 1)[-1] if keys is not None else None


def report(events: Events, last: Any) -> None:
    """mlx-lm's own figures, from its last response."""
    events.figure(
        "prompt_tps",
        "token/s",
        "mlx-lm prompt_tps: P / (start of its loop to the first token); holds the first sampling and the dispatch of "
        "the second step",
        last.prompt_tps,
    )
    events.figure(
        "gen_tps",
        "token/s",
        "mlx-lm generation_tps: N / (first token to last token), N tokens over N - 1 intervals, "
        "so N / (N - 1) times the rate by intervals",
        last.generation_tps,
    )
