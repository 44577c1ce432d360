"""A `tokenizer.json` of a model: its own, or one rebuilt from a GGUF file's vocabulary, merges and pre-tokenizer.

Programs that take no other tokenizer are given it, and parity counts with it the tokens of text that a program shows
as text only. Made once per content hash and cached.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from parity.cache import cache_folder
from parity.errors import ModelError
from parity.records import ModelFacts

GPT2: Final = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
CONTRACTIONS: Final = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
WORDS: Final = r"[^\r\n\p{L}\p{N}]?\p{L}+"
REST: Final = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


class _Cut(NamedTuple):
    """How text is cut before merging. `ignore_merges`: a whole piece that is in the vocabulary is one token."""

    patterns: tuple[str, ...]
    ignore_merges: bool = False


_LLAMA3: Final = _Cut((rf"{CONTRACTIONS}|{WORDS}|\p{{N}}{{1,3}}|{REST}",), ignore_merges=True)
PRE_TOKENIZERS: Final = {
    "default": _Cut((r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]")),
    "gpt-2": _Cut((GPT2,)),
    "smollm": _Cut((r"\p{N}", GPT2)),
    "qwen2": _Cut((rf"{CONTRACTIONS}|{WORDS}|\p{{N}}|{REST}",)),
    "llama3": _LLAMA3,
    "llama-v3": _LLAMA3,
    "llama-bpe": _LLAMA3,
}
"""By `tokenizer.ggml.pre`; the patterns are those that llama.cpp stands for by these names."""

_CONTROL_TYPES: Final = (2, 3)
_USER_DEFINED: Final = 4

Encode = Callable[[str], list[int]]
"""Ids of a text, special tokens recognised, none added."""


def tokenizer_file(model: ModelFacts) -> Path:
    """The model's `tokenizer.json`, from the cache where it was rebuilt before.

    Raises:
        ModelError: the model has none and its vocabulary is of a kind that isn't rebuilt here.
    """
    path = Path(model.path)
    beside = (path if model.format == "folder" else path.parent) / "tokenizer.json"
    if beside.is_file():
        return beside
    if model.format == "folder":
        raise ModelError(f"{path}: holds no tokenizer.json", "put the model's tokenizer.json into the folder")
    cached = cache_folder() / "tokenizers" / f"{model.sha256}.json"
    if not cached.is_file():
        _write(cached, _rebuild(path))
    return cached


def load_encoder(path: Path) -> Encode:
    """An encoder from a `tokenizer.json`."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))

    def encode(text: str) -> list[int]:
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    return encode


def _rebuild(path: Path) -> str:
    from gguf import GGUFReader
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    fields = GGUFReader(path).fields

    def value(key: str, default: Any = None) -> Any:
        field = fields.get(f"tokenizer.ggml.{key}")
        return default if field is None else field.contents()

    family, pre = value("model"), value("pre", "default")
    remedy = "put the model's own tokenizer.json beside the GGUF file"
    if family != "gpt2":
        raise ModelError(f"{path}: a tokenizer of the family {family} isn't rebuilt from a GGUF file", remedy)
    if pre not in PRE_TOKENIZERS:
        raise ModelError(f"{path}: the pre-tokenizer {pre} isn't known: {', '.join(PRE_TOKENIZERS)} are", remedy)
    cut = PRE_TOKENIZERS[pre]
    tokens: list[str] = value("tokens")
    kinds: list[int] = value("token_type") or [1] * len(tokens)
    merges = [_halves(merge) for merge in value("merges")]
    vocabulary = {token: k for k, token in enumerate(tokens)}
    core = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=cut.ignore_merges))
    splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in cut.patterns]
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [*splits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    core.decoder = decoders.ByteLevel()
    for kind, token in zip(kinds, tokens, strict=True):
        if kind in _CONTROL_TYPES:
            core.add_special_tokens([AddedToken(token, normalized=False, special=True)])
        elif kind == _USER_DEFINED:
            core.add_tokens([AddedToken(token, normalized=False, special=False)])
    text: str = core.to_str()
    return text


def _halves(merge: str) -> tuple[str, str]:
    """`a b` → (`a`, `b`). The first half may itself begin with a space."""
    at = merge.index(" ", 1)
    return merge[:at], merge[at + 1 :]


def _write(path: Path, text: str) -> None:
    """Whole or not at all: another run may be making the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=path.parent, suffix=".partial")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    Path(partial).replace(path)
