"""Text to ids and back, by the model's own vocabulary and chat template."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import Any

from parity_worker import RAW_REMEDY, WorkerError


def render(llama: Any, model: Any, vocab: Any, prompt: str) -> str:
    """The prompt as a user turn in the model's own chat template."""
    template = llama.llama_model_chat_template(model, None)
    if not template:
        raise WorkerError("refused", "the model has no chat template", RAW_REMEDY)
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    try:
        formatter = Jinja2ChatFormatter(
            template=template.decode(),
            bos_token=token_text(llama, vocab, llama.llama_vocab_bos(vocab)),
            eos_token=token_text(llama, vocab, llama.llama_vocab_eos(vocab)),
        )
        rendered: str = formatter(messages=[{"role": "user", "content": prompt}]).prompt
    except Exception as error:
        message = f"the model's chat template can't render a user turn: {error}"
        raise WorkerError("refused", message, RAW_REMEDY) from error
    return rendered


def token_text(llama: Any, vocab: Any, token: int) -> str:
    return llama.llama_vocab_get_text(vocab, token).decode() if token >= 0 else ""


def tokenize(llama: Any, vocab: Any, text: str) -> list[int]:
    """Ids of `text`, special tokens recognised. The begin token comes first where the model wants one, and once; the
    end token comes last where it wants that."""
    data = text.encode()
    room = (llama.llama_token * (len(data) + 2))()
    count = llama.llama_tokenize(vocab, data, len(data), room, len(room), False, True)
    if count < 0:
        raise WorkerError("refused", "llama.cpp can't tokenise the prompt")
    ids = list(room[:count])
    bos = llama.llama_vocab_bos(vocab)
    if llama.llama_vocab_get_add_bos(vocab) and bos >= 0 and ids[:1] != [bos]:
        ids.insert(0, bos)
    if not ids:
        raise WorkerError("refused", "the prompt is empty: it has no token to begin with")
    if llama.llama_vocab_get_add_eos(vocab):
        ids.append(llama.llama_vocab_eos(vocab))
    return ids


def begin_token(llama: Any, model: Any, vocab: Any) -> str:
    """The token that comes first, unless the text begins with it."""
    if not llama.llama_vocab_get_add_bos(vocab):
        return "none"
    named = llama.llama_model_meta_val_str(model, b"tokenizer.ggml.bos_token_id", ctypes.create_string_buffer(32), 32)
    assumed = " (llama.cpp's own choice: the file names none)" if named < 0 else ""
    return f"token {llama.llama_vocab_bos(vocab)}{assumed}"


def decode(llama: Any, vocab: Any, tokens: Iterable[int]) -> str:
    """Text of the ids, special tokens left out; bytes that are not UTF-8 become U+FFFD."""
    return b"".join(piece(llama, vocab, token) for token in tokens).decode("utf-8", errors="replace")


def piece(llama: Any, vocab: Any, token: int) -> bytes:
    size = 64
    while True:
        room = ctypes.create_string_buffer(size)
        count = llama.llama_token_to_piece(vocab, token, room, size, 0, False)
        if count >= 0:
            return room.raw[:count]
        size = -count
