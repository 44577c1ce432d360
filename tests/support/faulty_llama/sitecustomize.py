"""Gives llama-cpp-python one fault of the kind that ports have, named by LLAMA_FAULT, while it generates.

Scores are left as they are. With this folder on PYTHONPATH, every fault but `stale-cache` is in the choice of tokens:
what `llama_sampler_sample` answers for the logits of the last position.
"""

import os
from typing import Any

import llama_cpp
import numpy as np

FAULT = os.environ["LLAMA_FAULT"]
AT = 10
"""The token, counted from 1, at which a fault happens that happens once."""
PENALTY = 1.3
STALE = (5, 6, 7)
"""Ids that an earlier prompt left in the cache."""

sample, decode = llama_cpp.llama_sampler_sample, llama_cpp.llama_decode
chosen: list[int] = []
random = np.random.default_rng(1)


def logits_of(context: Any) -> Any:
    """Of the last position, as a copy."""
    size = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(llama_cpp.llama_get_model(context)))
    return np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(context, -1), (size,)).copy()


def forward(context: Any, token: int) -> None:
    ids = (llama_cpp.llama_token * 1)(token)
    decode(context, llama_cpp.llama_batch_get_one(ids, 1))


def faulty_choice(sampler: Any, context: Any, index: int) -> int:
    number, logits = len(chosen) + 1, logits_of(context)
    match FAULT:
        case "second-best" if number == AT:
            token = int(np.argsort(-logits)[1])
        case "sampled":
            probabilities = np.exp(logits - logits.max(), dtype=np.float64)
            token = int(random.choice(len(logits), p=probabilities / probabilities.sum()))
        case "repeat-penalty":
            for seen in set(chosen):
                logits[seen] = logits[seen] / PENALTY if logits[seen] > 0 else logits[seen] * PENALTY
            token = int(logits.argmax())
        case "bf16-logits":
            token = int((logits.view(np.uint32) & 0xFFFF0000).view(np.float32).argmax())
        case "token-dropped" if number == AT:
            forward(context, sample(sampler, context, index))
            token = sample(sampler, context, index)
        case "token-doubled" if number == AT:
            token = chosen[-1]
        case _:
            token = sample(sampler, context, index)
    chosen.append(token)
    return token


def stale_first(context: Any, batch: Any) -> int:
    """The first forward finds the cache of an earlier prompt."""
    if not stale_first.done:
        stale_first.done = True
        for token in STALE:
            forward(context, token)
    return int(decode(context, batch))


stale_first.done = False
llama_cpp.llama_sampler_sample = faulty_choice
if FAULT == "stale-cache":
    llama_cpp.llama_decode = stale_first
