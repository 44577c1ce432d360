"""SentencePiece's BPE (`tokenizer.ggml.model = "llama"`), rebuilt from the tokens and scores of a GGUF file.

llama.cpp joins, of all neighbours that make a token, those whose token has the highest score, the leftmost first
(llama-vocab.cpp: `llm_tokenizer_spm_session`). Merges in the order of the scores of what they make do the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parity_worker import WorkerError

from .gguf_file import Metadata

SPACE = "\u2581"
"""Stands for a space in tokens."""

NORMAL, UNUSED, BYTE = 1, 5, 6


def core_of(metadata: Metadata, kinds: Sequence[int], remedy: str) -> Any:
    """The tokenizer without its special tokens.

    Raises:
        WorkerError: the file asks for what merges can't do.
    """
    import tokenizers
    from tokenizers import decoders, models, normalizers

    tokens: list[str] = metadata.get("tokenizer.ggml.tokens")
    objection = objection_to(metadata, tokens, kinds)
    if objection is not None:
        raise WorkerError("refused", objection, remedy)
    scores: list[float] = metadata.get("tokenizer.ggml.scores")
    merges = merges_of(tokens, kinds, scores)
    vocabulary = {token: k for k, token in enumerate(tokens)}
    core = tokenizers.Tokenizer(models.BPE(vocabulary, merges, byte_fallback=True))
    core.normalizer = normalizers.Replace(" ", SPACE)
    core.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
    return core


def objection_to(metadata: Metadata, tokens: Sequence[str], kinds: Sequence[int]) -> str | None:
    """Why merges can't do what llama.cpp does."""
    scores = metadata.get("tokenizer.ggml.scores")
    if scores is None or len(scores) != len(tokens):
        return "tokenizer.ggml.scores: a SentencePiece tokenizer needs one for each token"
    if metadata.get("tokenizer.ggml.add_space_prefix", True):
        return "tokenizer.ggml.add_space_prefix = True, which is also its default: no space is put before a text here"
    if sum(kind == BYTE for kind in kinds) != 256:
        return "tokenizer.ggml.token_type: not every byte has a token"
    joined = [k for k, token in enumerate(tokens) if kinds[k] in (NORMAL, UNUSED) and len(token) > 1]
    if len({scores[k] for k in joined}) != len(joined):
        return "tokenizer.ggml.scores: two tokens have the same score, so that their place in the text would decide"
    known = set(tokens)
    strange = next((c for k in joined for c in tokens[k] if c not in known), None)
    return None if strange is None else f"tokenizer.ggml.tokens: {strange!r} is part of a token and is none itself"


def merges_of(tokens: Sequence[str], kinds: Sequence[int], scores: Sequence[float]) -> list[tuple[str, str]]:
    """Both halves of each token, wherever it can be cut into two tokens, the token with the highest score first."""
    parts = {token for k, token in enumerate(tokens) if kinds[k] in (NORMAL, UNUSED)}
    order = sorted((k for k, token in enumerate(tokens) if token in parts), key=lambda k: -scores[k])
    merges = []
    for token in (tokens[k] for k in order):
        for at in range(1, len(token)):
            left, right = token[:at], token[at:]
            if left in parts and right in parts:
                merges.append((left, right))
    return merges
