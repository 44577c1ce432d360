"""What can be read from a GGUF file: tensor types, tokenizers and pre-tokenizers. Plain data, the adapter's too."""

from __future__ import annotations

from typing import NamedTuple

AS_STORED = frozenset({"F32", "F16", "Q4_0", "Q4_1", "Q8_0"})
"""Tensor types that MLX's reader of GGUF files keeps without loss."""

REPACKED = frozenset({"Q4_K", "Q5_0", "Q5_1", "Q5_K"})
"""Types that this worker reads itself: scales of sub-blocks multiplied out, the 4 or 5 bits as they are."""

DEQUANTISED = frozenset({"BF16", "Q6_K"})
"""Types that MLX's reader turns into float16."""

READ_TYPES = AS_STORED | REPACKED | DEQUANTISED

BEYOND_MLX = frozenset({"Q5_0", "Q5_1", "Q5_K"})
"""Types at which MLX's reader fails, so that this worker reads the whole file itself."""

BLOCK_SIZE = 32
"""Weights that share a scale in Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 and a sub-block of Q4_K and Q5_K."""

FAMILIES = ("gpt2", "llama")
"""Tokenizers that are rebuilt, by `tokenizer.ggml.model`: byte-level BPE, and SentencePiece's BPE."""

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
CONTRACTIONS = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# A new word begins where an ASCII capital follows an ASCII small letter; other letters count as both.
CASED = (
    rf"[^\r\n\p{{L}}\p{{N}}]?((?=[\p{{L}}])([^a-z]))*((?=[\p{{L}}])([^A-Z]))+{CONTRACTIONS}?"
    rf"|[^\r\n\p{{L}}\p{{N}}]?((?=[\p{{L}}])([^a-z]))+((?=[\p{{L}}])([^A-Z]))*{CONTRACTIONS}?"
)
CASED_REST = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"


class PreTokenizer(NamedTuple):
    """How text is cut before merging, and what a vocabulary of that name implies."""

    patterns: tuple[str, ...]
    ignore_merges: bool = False
    add_bos: bool = False


QWEN2 = PreTokenizer((rf"{CONTRACTIONS}|{WORDS}|\p{{N}}|{REST}",))
DBRX = PreTokenizer((rf"{CONTRACTIONS}|{WORDS}|\p{{N}}{{1,3}}|{REST}",))
LLAMA3 = DBRX._replace(ignore_merges=True, add_bos=True)
PRE_TOKENIZERS = {
    "default": PreTokenizer((r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]")),
    "gpt-2": PreTokenizer((GPT2,)),
    "smollm": PreTokenizer((r"\p{N}", GPT2)),
    "qwen2": QWEN2,
    "deepseek-r1-qwen": QWEN2,
    "dbrx": DBRX,
    "llama3": LLAMA3,
    "llama-v3": LLAMA3,
    "llama-bpe": LLAMA3,
    "gpt-4o": PreTokenizer((rf"{CASED}|\p{{N}}{{1,3}}|{CASED_REST}",)),
}
"""By `tokenizer.ggml.pre`. The patterns are llama.cpp's (llama-vocab.cpp), which the name in the file stands for."""
