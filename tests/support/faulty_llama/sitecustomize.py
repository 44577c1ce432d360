"""Gives llama-cpp-python one fault of the kind that ports have, named by LLAMA_FAULT.

With this folder on PYTHONPATH, a fault is in the choice of tokens (what `llama_sampler_sample` answers for the logits
of the last position), in what is computed (`llama_decode`), or in the text. `file` has LLAMA_FAULT_FILE loaded in the
place of the model that the job names.
"""

import os
from types import SimpleNamespace
from typing import Any

import llama_cpp
import numpy as np

FAULT = os.environ["LLAMA_FAULT"]
AT = 10
"""The token, counted from 1, at which a fault happens that happens once."""
PENALTY = 1.3
TEMPERATURE = 0.9
STALE = (5, 6, 7)
"""Ids that an earlier prompt left in the cache."""
LOST = {"cache-hole": (3, 4), "cache-lost": (0, 4)}
"""From which position to which the cache is empty."""

sample, decode, piece = llama_cpp.llama_sampler_sample, llama_cpp.llama_decode, llama_cpp.llama_token_to_piece
load = llama_cpp.llama_model_load_from_file
tokenize = llama_cpp.llama_tokenize
chosen: list[int] = []
state = SimpleNamespace(prompt=0, computed=0)
"""How many ids the prompt has, and how many were computed."""

random = np.random.default_rng(1)


def vocabulary_of(context: Any) -> int:
    return int(llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(llama_cpp.llama_get_model(context))))


def logits_of(context: Any) -> Any:
    """Of the last position, as a copy."""
    size = vocabulary_of(context)
    return np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(context, -1), (size,)).copy()


def cut_to_bf16(logits: Any) -> Any:
    return (logits.view(np.uint32) & 0xFFFF0000).view(np.float32)


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
        case "last-of-equals":
            rounded = cut_to_bf16(logits)
            token = int(np.flatnonzero(rounded == rounded.max())[-1])
        case "token-dropped" if number == AT:
            forward(context, sample(sampler, context, index))
            token = sample(sampler, context, index)
        case "token-doubled" if number == AT:
            token = chosen[-1]
        case _:
            token = sample(sampler, context, index)
    chosen.append(token)
    return token


def faulty_decode(context: Any, batch: Any) -> int:
    """The fault happens before, after or in the first forward, or in the logits of each."""
    first = not state.computed
    if first and FAULT == "stale-cache":
        for token in STALE:
            forward(context, token)
    state.computed += batch.n_tokens
    if FAULT == "prompt-short" and state.computed == state.prompt:
        batch.n_tokens -= 1
        if not batch.n_tokens:
            return 0
    status = int(decode(context, batch))
    if first and status == 0:
        memory = llama_cpp.llama_get_memory(context)
        if FAULT == "position-shift":
            llama_cpp.llama_memory_seq_add(memory, 0, 1, -1, 1)
        elif FAULT in LOST:
            llama_cpp.llama_memory_seq_rm(memory, 0, *LOST[FAULT])
    if FAULT in ("temperature-twice", "bf16-logits") and status == 0:
        rows = batch.n_tokens if batch.logits else 1
        logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits(context), (rows, vocabulary_of(context)))
        logits[...] = cut_to_bf16(logits) if FAULT == "bf16-logits" else logits / np.float32(TEMPERATURE**2)
    return status


def counting_tokenize(vocabulary: Any, *rest: Any) -> int:
    state.prompt = int(tokenize(vocabulary, *rest))
    return state.prompt


def faulty_piece(vocabulary: Any, token: int, room: Any, size: int, *rest: Any) -> int:
    """The last character of what a token says lacks its last byte, where it has several."""
    count = int(piece(vocabulary, token, room, size, *rest))
    return count - 1 if count > 1 and room.raw[count - 1] >= 0x80 else count


def load_another(path: bytes, params: Any) -> Any:
    return load(os.environ["LLAMA_FAULT_FILE"].encode(), params)


if FAULT == "file":
    llama_cpp.llama_model_load_from_file = load_another
elif FAULT == "text-cut":
    llama_cpp.llama_token_to_piece = faulty_piece
else:
    llama_cpp.llama_sampler_sample = faulty_choice
    llama_cpp.llama_decode = faulty_decode
    llama_cpp.llama_tokenize = counting_tokenize
