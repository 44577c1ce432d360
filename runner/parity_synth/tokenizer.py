"""A byte-level BPE tokenizer made from nothing: Qwen's special tokens and pre-tokenizer, any vocabulary size.

Merges are learned from a made-up word list: whatever the merges so far leave in pieces, the next merge joins. Every
merge is thus one that encoding uses, and the list is the same on every machine and for every seed.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from parity_synth.lexicon import characters, common_words, invented_words, runs

SPECIAL: Final = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>"),
    *("<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>"),
    *("<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
)
"""Control tokens, in the order of their ids."""

ADDED: Final = (
    *("<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>"),
    *("<|repo_name|>", "<|file_sep|>", "<tool_response>", "</tool_response>", "<think>", "</think>"),
)
"""Tokens that follow the control tokens; they are found in text as those are, and are shown when decoded."""

PRE_TOKENIZER: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHAT_TEMPLATE: Final = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TEMPLATE_WORDS: Final = ("system", "user", "assistant", "\n")
"""What the template wraps a message in, beside control tokens."""

_WORD: Final = re.compile("\u0120[a-z]{2,9}")

_CHARACTERS_SHARE: Final = 0.25
"""Of all merges, at most so many join the bytes of characters outside ASCII."""


@dataclass(frozen=True)
class Tokenizer:
    """`tokens` by id, in the byte-to-character spelling of GPT-2; `special_from` is the id of the first special one."""

    tokens: tuple[str, ...]
    merges: tuple[tuple[str, str], ...]
    special_from: int
    _ranks: Mapping[tuple[str, str], int] = field(repr=False)

    def id_of(self, token: str) -> int:
        return self.special_from + (*SPECIAL, *ADDED).index(token)

    def pieces(self, word: str) -> list[str]:
        """The tokens of one pre-token."""
        return _merged(list(spelled(word)), self._ranks)

    def words(self) -> list[int]:
        """Ids of tokens that are a space and a few lower-case ASCII letters, and that encoding gives for that text.

        A text made of them alone is tokenised back into the same ids."""
        return [
            index
            for index, token in enumerate(self.tokens[: self.special_from])
            if _WORD.fullmatch(token) and _merged(list(token), self._ranks) == [token]
        ]


def build_tokenizer(size: int) -> Tokenizer:
    """A tokenizer of `size` tokens, special ones included."""
    base = list(_byte_spelling().values())
    special_from = size - len(SPECIAL) - len(ADDED)
    learner = _Learner(sorted(base, key=_gpt2_order), special_from)
    budget = special_from - len(base)
    learner.learn(itertools.chain(runs(), common_words()))
    learner.learn(characters(), at_most=len(learner.vocabulary) + int(budget * _CHARACTERS_SHARE))
    learner.learn(invented_words())
    tokens = (*learner.vocabulary, *SPECIAL, *ADDED)
    return Tokenizer(tokens, tuple(learner.ranks), special_from, learner.ranks)


def tokenizer_json(tokenizer: Tokenizer) -> dict[str, Any]:
    """The content of `tokenizer.json`. No normalizer: runtimes that read only the GGUF have none."""
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    split = {"type": "Split", "pattern": {"Regex": PRE_TOKENIZER}, "behavior": "Isolated", "invert": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added(tokenizer, token) for token in (*SPECIAL, *ADDED)],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]},
        "post_processor": byte_level,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: index for index, token in enumerate(tokenizer.tokens[: tokenizer.special_from])},
            "merges": [f"{left} {right}" for left, right in tokenizer.merges],
        },
    }


def tokenizer_config_json() -> dict[str, Any]:
    """The content of `tokenizer_config.json`, without which some programs know neither template nor end token."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "chat_template": CHAT_TEMPLATE,
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "bos_token": None,
        "add_bos_token": False,
        "clean_up_tokenization_spaces": False,
    }


def spelled(text: str) -> str:
    """Text in GPT-2's spelling: one printable character for each byte of its UTF-8."""
    spelling = _byte_spelling()
    return "".join(spelling[byte] for byte in text.encode())


@cache
def _byte_spelling() -> dict[int, str]:
    """Printable Latin-1 bytes stand for themselves, the others for characters from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = (byte for byte in range(256) if byte not in set(printable))
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + rank) for rank, byte in enumerate(others)}


def _gpt2_order(character: str) -> tuple[bool, int]:
    return ord(character) >= 256, ord(character)


def _added(tokenizer: Tokenizer, token: str) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": tokenizer.id_of(token), "content": token, **flags, "special": token in SPECIAL}


class _Learner:
    """Grows a vocabulary by merges until it has `size` tokens."""

    def __init__(self, base: Sequence[str], size: int) -> None:
        self.vocabulary = dict.fromkeys(base)
        self.ranks: dict[tuple[str, str], int] = {}
        self.size = size

    def learn(self, words: Iterable[str], at_most: int | None = None) -> None:
        limit = min(self.size, at_most or self.size)
        for word in words:
            pieces = list(spelled(word))
            # Merged again after each new merge, for it may apply twice in one word.
            while len(pieces := _merged(pieces, self.ranks)) > 1:
                if len(self.vocabulary) >= limit:
                    return
                self.ranks[pieces[0], pieces[1]] = len(self.ranks)
                self.vocabulary[pieces[0] + pieces[1]] = None


def _merged(pieces: list[str], ranks: Mapping[tuple[str, str], int]) -> list[str]:
    """Byte-pair encoding: of all neighbours that a merge joins, the earliest merge first, the leftmost first."""
    never = len(ranks)
    while len(pieces) > 1:
        applying = [ranks.get(pair, never) for pair in itertools.pairwise(pieces)]
        rank = min(applying)
        if rank == never:
            break
        at = applying.index(rank)
        pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
    return pieces


def fill(tokens: Sequence[str], rows: int) -> Iterator[str]:
    """The tokens, then names for the rows that no token has."""
    yield from tokens
    for index in range(len(tokens), rows):
        yield f"[PAD{index}]"
