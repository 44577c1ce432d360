"""Tokenizers: an MLX folder's own, or one that is rebuilt from a GGUF file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from parity_worker import RAW_REMEDY, WorkerError

from .formats import PRE_TOKENIZERS
from .gguf_file import Metadata
from .runtime import Mlx

NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4

END_KEYS = ("eos", "eot", "eom", "fim_pad", "fim_rep", "fim_sep")
# fmt: off
END_TEXTS = frozenset({
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>",
    "<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]",
    "<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>",
    "<｜end▁of▁sentence｜>", "[e~[", "<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]",
    "<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>", "<|file_sep|>",
})
# fmt: on
"""Tokens that end generation by their text, whatever the metadata says: llama.cpp's list, so that both engines stop at
the same ones."""


class Tokenizer(NamedTuple):
    """`render` puts a prompt into the chat template as a user turn; `encode` takes a text and whether it is raw."""

    render: Callable[[str], str]
    encode: Callable[[str, bool], list[int]]
    decode: Callable[[Iterable[int]], str]
    end_ids: frozenset[int]
    begin: str | None = None
    """The token that comes first, unless the text begins with it; None where it is the tokenizer's own business."""


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
    """What a GGUF says and no file of a model folder does: its begin token, whether a prompt begins with it, its end
    tokens, and the base of its RoPE."""

    bos: int | None
    begins: bool
    end_ids: list[int]
    rope_base: float = 10000.0


def policy_of(metadata: Metadata) -> Policy:
    tokens: list[str] = metadata.get("tokenizer.ggml.tokens")
    pre = PRE_TOKENIZERS[metadata.get("tokenizer.ggml.pre", "default")]
    ends = {metadata.token(name) for name in END_KEYS} | {k for k, token in enumerate(tokens) if token in END_TEXTS}
    return Policy(
        bos=metadata.token("bos"),
        begins=bool(metadata.get("tokenizer.ggml.add_bos_token", pre.add_bos)),
        end_ids=sorted(end for end in ends if end is not None),
        rope_base=metadata.own("rope.freq_base", 10000.0),
    )


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
        bos = policy.bos
        return ids if bos is None or not policy.begins or ids[:1] == [bos] else [bos, *ids]

    return Tokenizer(
        render=lambda prompt: render(chat, prompt),
        encode=encode,
        decode=lambda ids: str(core.decode(list(ids), skip_special_tokens=True)),
        end_ids=frozenset(policy.end_ids),
        begin=f"token {policy.bos}" if policy.begins and policy.bos is not None else "none",
    )


def rebuild(metadata: Metadata) -> Any:
    """The file's byte-level BPE tokenizer for transformers: vocabulary, merges, pre-tokenizer, special tokens and
    template. A GGUF names no normaliser, so there is none, as in llama.cpp."""
    import tokenizers
    import transformers
    from tokenizers import decoders, models, pre_tokenizers

    family, pre = metadata.get("tokenizer.ggml.model"), metadata.get("tokenizer.ggml.pre", "default")
    remedy = "give this runtime an MLX model folder, which brings its own tokenizer"
    if family != "gpt2":
        raise WorkerError("refused", f"tokenizer family {family} isn't rebuilt from a GGUF file; gpt2 is", remedy)
    if pre not in PRE_TOKENIZERS:
        message = f"pre-tokenizer {pre} isn't rebuilt from a GGUF file; {', '.join(PRE_TOKENIZERS)} are"
        raise WorkerError("refused", message, remedy)
    cut = PRE_TOKENIZERS[pre]
    tokens: list[str] = metadata.get("tokenizer.ggml.tokens")
    merges = [split_merge(merge) for merge in metadata.get("tokenizer.ggml.merges")]
    kinds: list[int] = metadata.get("tokenizer.ggml.token_type") or [NORMAL] * len(tokens)

    bpe = models.BPE({token: k for k, token in enumerate(tokens)}, merges, ignore_merges=cut.ignore_merges)
    core = tokenizers.Tokenizer(bpe)
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated") for pattern in cut.patterns]
        + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    core.decoder = decoders.ByteLevel()
    hidden = [t for k, t in enumerate(tokens) if kinds[k] in (CONTROL, UNKNOWN) or t in END_TEXTS]
    shown = [t for k, t in enumerate(tokens) if kinds[k] == USER_DEFINED and t not in END_TEXTS]
    core.add_special_tokens([tokenizers.AddedToken(t, normalized=False, special=True) for t in hidden])
    core.add_tokens([tokenizers.AddedToken(t, normalized=False, special=False) for t in shown])

    bos, eos = metadata.token("bos"), metadata.token("eos")
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token=None if bos is None else tokens[bos],
        eos_token=None if eos is None else tokens[eos],
        chat_template=metadata.get("tokenizer.chat_template"),
    )


def split_merge(merge: str) -> tuple[str, str]:
    """`a b` → (`a`, `b`). The first half may itself begin with a space."""
    at = merge.index(" ", 1)
    return merge[:at], merge[at + 1 :]
