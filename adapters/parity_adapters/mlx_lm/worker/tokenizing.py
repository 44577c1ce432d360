"""Tokenizers: an MLX folder's own, or one that is rebuilt from a GGUF file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from parity_worker import RAW_REMEDY, WorkerError

from . import sentencepiece
from .formats import FAMILIES, PRE_TOKENIZERS, PreTokenizer
from .gguf_file import Metadata
from .keys import INSTEAD
from .runtime import Mlx

NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4

END_KEYS = ("eos", "eot", "eom")
# fmt: off
END_TEXTS = frozenset({
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>",
    "<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]",
    "<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>",
    "<｜end▁of▁sentence｜>", "[e~[",
})
"""Tokens that end generation by their text, whatever the metadata says: llama.cpp's list, so that both engines stop at
the same ones."""
INSTEAD_OF_KEYS = {
    "fim_pad": frozenset({"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"}),
    "fim_rep": frozenset({"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"}),
    "fim_sep": frozenset({"<|file_sep|>"}),
}
"""Tokens that end generation by a key or, where the file hasn't the key, by their text."""
# fmt: on


class Tokenizer(NamedTuple):
    """`render` puts a prompt into the chat template as a user turn; `encode` takes a text and whether it is raw."""

    render: Callable[[str], str]
    encode: Callable[[str, bool], list[int]]
    decode: Callable[[Iterable[int]], str]
    end_ids: frozenset[int]
    begin: str | None = None
    """The token that comes first, unless the text begins with it; None where it is the tokenizer's own business."""
    doubt: str | None = None
    """Why it is not known which tokens end generation, where that is so."""


def folder_tokenizer(mlx: Mlx, path: Path, config: dict[str, Any]) -> Tokenizer:
    ends = config.get("eos_token_id")
    tokenizer = mlx.utils.load_tokenizer(path, eos_token_ids=[ends] if isinstance(ends, int) else ends)

    def encode(text: str, raw: bool) -> list[int]:
        special = raw and (tokenizer.bos_token is None or not text.startswith(tokenizer.bos_token))
        ids: list[int] = tokenizer.encode(text, add_special_tokens=special)
        return ids

    return Tokenizer(
        render=lambda prompt: render(tokenizer, prompt),
        encode=encode,
        decode=lambda ids: str(tokenizer.decode(list(ids), skip_special_tokens=True)),
        end_ids=frozenset(tokenizer.eos_token_ids),
    )


def render(tokenizer: Any, prompt: str) -> str:
    if not tokenizer.chat_template:
        raise WorkerError("refused", "the model has no chat template", RAW_REMEDY)
    turn = [{"role": "user", "content": prompt}]
    try:
        return str(tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False))
    except Exception as error:
        message = f"the model's chat template can't render a user turn: {error}"
        raise WorkerError("refused", message, RAW_REMEDY) from error


class Policy(NamedTuple):
    """What a GGUF says and no file of a model folder does: the tokens that a prompt begins and ends with, where it
    does, and the tokens that end generation."""

    begin: int | None
    close: int | None
    end_ids: list[int]
    doubt: str | None = None


def policy_of(metadata: Metadata) -> Policy:
    """Raises WorkerError where the file doesn't name a token that it needs. llama.cpp then takes token 11."""
    tokens: list[str] = metadata.get("tokenizer.ggml.tokens")
    by_default = is_sentencepiece(metadata) or pre_tokenizer(metadata).add_bos
    begins = metadata.get("tokenizer.ggml.add_bos_token", by_default)
    begin, end = metadata.token("bos"), metadata.token("eos")
    if begins and begin is None:
        raise WorkerError("refused", "prompts begin with tokenizer.ggml.bos_token_id, and the file has none", INSTEAD)
    if end is None:
        raise WorkerError("refused", "tokenizer.ggml.eos_token_id ends generation, and the file has none", INSTEAD)
    texts, doubt = end_texts(metadata)
    keyed = {k for name in (*END_KEYS, *INSTEAD_OF_KEYS) if (k := metadata.token(name)) is not None}
    return Policy(
        begin=begin if begins else None,
        close=end if metadata.get("tokenizer.ggml.add_eos_token", False) else None,
        end_ids=sorted(keyed | {k for k, token in enumerate(tokens) if token in texts}),
        doubt=doubt,
    )


def end_texts(metadata: Metadata) -> tuple[set[str], str | None]:
    """Those of a vocabulary's tokens that end generation by their text. Some stand for something else beside others.
    Also why there may be one more: llama.cpp takes one of several that would do, by chance.

    Raises:
        WorkerError: that decides how a text is cut into tokens, too.
    """
    kinds = kinds_of(metadata)
    kind_of = {token: kinds[k] for k, token in enumerate(metadata.get("tokenizer.ggml.tokens"))}
    tokens = set(kind_of)
    found, doubt = tokens & END_TEXTS, None
    if {"<|return|>", "<|call|>"} <= tokens:
        found -= {"<|end|>"}
    if "<|tool_response>" in tokens:
        found -= {"</s>"}
    for name, texts in INSTEAD_OF_KEYS.items():
        if metadata.token(name) is None:
            several = sorted(tokens & texts)
            if len(several) > 1:
                doubt = f"the file has no tokenizer.ggml.{name}_token_id, and {' and '.join(several)} would do"
                if any(kind_of[text] != CONTROL for text in several):
                    raise WorkerError("refused", doubt, INSTEAD)
            else:
                found |= set(several)
    return found, doubt


def kinds_of(metadata: Metadata) -> list[int]:
    """The type of each token."""
    return metadata.get("tokenizer.ggml.token_type") or [NORMAL] * len(metadata.get("tokenizer.ggml.tokens"))


def gguf_tokenizer(metadata: Metadata) -> Tokenizer:
    """The file's own tokenizer and template, its begin token and its end tokens."""
    chat = rebuild(metadata)
    return under_policy(chat, chat.backend_tokenizer, policy_of(metadata))


def held_tokenizer(mlx: Mlx, folder: Path, policy: Policy) -> Tokenizer:
    """The same from a converted folder, through mlx-lm's own loader."""
    chat = mlx.utils.load_tokenizer(folder, eos_token_ids=policy.end_ids)
    return under_policy(chat, chat.backend_tokenizer, policy)


def under_policy(chat: Any, core: Any, policy: Policy) -> Tokenizer:
    def encode(text: str, _raw: bool) -> list[int]:
        ids: list[int] = core.encode(text, add_special_tokens=False).ids
        begin = [] if policy.begin is None or ids[:1] == [policy.begin] else [policy.begin]
        return [*begin, *ids, *([] if policy.close is None else [policy.close])]

    return Tokenizer(
        render=lambda prompt: render(chat, prompt),
        encode=encode,
        decode=lambda ids: str(core.decode(list(ids), skip_special_tokens=True)),
        end_ids=frozenset(policy.end_ids),
        begin="none" if policy.begin is None else f"token {policy.begin}",
        doubt=policy.doubt,
    )


def is_sentencepiece(metadata: Metadata) -> bool:
    return bool(metadata.get("tokenizer.ggml.model") == "llama")


def pre_tokenizer(metadata: Metadata) -> PreTokenizer:
    return PRE_TOKENIZERS[metadata.get("tokenizer.ggml.pre", "default")]


def rebuild(metadata: Metadata) -> Any:
    """The file's tokenizer for transformers: vocabulary, merges, pre-tokenizer, special tokens and template. A GGUF
    names no normaliser, so there is none but that of spaces, as in llama.cpp."""
    import tokenizers
    import transformers

    family, pre = metadata.get("tokenizer.ggml.model"), metadata.get("tokenizer.ggml.pre", "default")
    remedy = f"{INSTEAD}, which brings its own tokenizer"
    if family not in FAMILIES:
        message = f"tokenizer family {family} isn't rebuilt from a GGUF file; {' and '.join(FAMILIES)} are"
        raise WorkerError("refused", message, remedy)
    kinds = kinds_of(metadata)
    if is_sentencepiece(metadata):
        core = sentencepiece.core_of(metadata, kinds, remedy)
    elif pre in PRE_TOKENIZERS:
        core = byte_level(metadata)
    else:
        message = f"pre-tokenizer {pre} isn't rebuilt from a GGUF file; {', '.join(PRE_TOKENIZERS)} are"
        raise WorkerError("refused", message, remedy)
    tokens: list[str] = metadata.get("tokenizer.ggml.tokens")
    ends, _ = end_texts(metadata)
    hidden = [t for k, t in enumerate(tokens) if kinds[k] in (CONTROL, UNKNOWN) or t in ends]
    shown = [t for k, t in enumerate(tokens) if kinds[k] == USER_DEFINED and t not in ends]
    core.add_special_tokens([tokenizers.AddedToken(t, normalized=False, special=True) for t in hidden])
    core.add_tokens([tokenizers.AddedToken(t, normalized=False, special=False) for t in shown])

    bos, eos = metadata.token("bos"), metadata.token("eos")
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token=None if bos is None else tokens[bos],
        eos_token=None if eos is None else tokens[eos],
        chat_template=metadata.get("tokenizer.chat_template"),
    )


def byte_level(metadata: Metadata) -> Any:
    """A byte-level BPE tokenizer without its special tokens."""
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers

    cut = pre_tokenizer(metadata)
    tokens: list[str] = metadata.get("tokenizer.ggml.tokens")
    merges = [split_merge(merge) for merge in metadata.get("tokenizer.ggml.merges")]
    bpe = models.BPE({token: k for k, token in enumerate(tokens)}, merges, ignore_merges=cut.ignore_merges)
    core = tokenizers.Tokenizer(bpe)
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated") for pattern in cut.patterns]
        + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    core.decoder = decoders.ByteLevel()
    return core


def split_merge(merge: str) -> tuple[str, str]:
    """`a b` → (`a`, `b`). The first half may itself begin with a space."""
    at = merge.index(" ", 1)
    return merge[:at], merge[at + 1 :]
