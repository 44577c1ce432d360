"""Computes a given sequence of ids, with the logits after each of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .generating import forward


def logits_after(llama: Any, context: Any, vocabulary: int, ids: list[int]) -> Iterator[Any]:
    """The f32 logits after each id, in order: rows of llama.cpp's own buffer, which the next forward overwrites."""
    import numpy as np

    # llama.cpp computes n_ubatch tokens at once however many a call holds, but keeps the logits of a whole call.
    step = llama.llama_n_ubatch(context)
    for start in range(0, len(ids), step):
        part = ids[start : start + step]
        forward(llama, context, part, all_logits=True)
        yield from np.ctypeslib.as_array(llama.llama_get_logits(context), (len(part), vocabulary))
