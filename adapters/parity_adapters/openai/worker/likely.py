"""What a whole answer says of how likely its tokens are, with their ids. Pure.

Servers have two forms of it: objects with an `id` (llama.cpp, mlx_lm), and lists side by side in which a token is
`token_id:7` (vLLM, where it is asked for that). Where tokens are named by their text, as `llama_cpp.server` does, no id
is known for certain: two tokens may have one text.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from .stream import StreamError

Likely = tuple[int, float, list[tuple[int, float]]]
"""A token's id and log-probability, and the likeliest ids with theirs, likeliest first."""

NAMED = "token_id:"

NONE = -1e30
"""Nats: what llama.cpp's server shows of a probability that is zero in f32 lies below, for JSON has no infinity."""


def likely_tokens(choice: Mapping[str, Any], top: int, *, names_chosen: bool) -> list[Likely]:
    """Of each token of an answer. `names_chosen`: see `Dialect`.

    Raises:
        StreamError: the answer does not show them in either form.
    """
    shown = choice.get("logprobs")
    if not isinstance(shown, dict):
        raise StreamError("it holds no log-probabilities, which were asked for")
    content = shown.get("content")
    try:
        if isinstance(content, list):
            found = [_of_object(item, names_chosen=names_chosen) for item in content]
        else:
            found = list(_of_lists(shown))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise StreamError(f"its log-probabilities are in no known form ({type(error).__name__}: {error})") from error
    return [(token, logprob, _likeliest(listed)[:top]) for token, logprob, listed in found]


def _of_object(item: Mapping[str, Any], *, names_chosen: bool) -> tuple[int, float, dict[int, float]]:
    listed = {_id(each["id"]): _nats(each["logprob"]) for each in item["top_logprobs"]}
    if names_chosen:
        return _id(item["id"]), _nats(item["logprob"]), listed
    return *_likeliest(listed)[0], listed


def _of_lists(shown: Mapping[str, Any]) -> Iterator[tuple[int, float, dict[int, float]]]:
    for name, logprob, listed in zip(shown["tokens"], shown["token_logprobs"], shown["top_logprobs"], strict=True):
        yield _named(name), _nats(logprob), {_named(other): _nats(value) for other, value in listed.items()}


def _likeliest(listed: Mapping[int, float]) -> list[tuple[int, float]]:
    """Equals by id, as in any list of them; without those that have no probability at all."""
    return sorted(((k, nats) for k, nats in listed.items() if nats > NONE), key=lambda each: (-each[1], each[0]))


def _named(name: str) -> int:
    if not name.startswith(NAMED):
        raise ValueError(f"{name!r} is the text of a token and no id")
    return int(name.removeprefix(NAMED))


def _id(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no id")
    return value


def _nats(value: Any) -> float:
    """Rounding may leave a little more than a probability of 1."""
    if isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no log-probability")
    return min(float(value), 0.0)
