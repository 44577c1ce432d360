"""Ids as llama.cpp's own tokenizer gives them, from a file's vocabulary alone."""

from collections.abc import Sequence
from pathlib import Path

from parity_adapters.llama_cpp.worker import tokenizing


def llama_cpp_ids(model: Path, texts: Sequence[str]) -> list[list[int]]:
    import llama_cpp

    params = llama_cpp.llama_model_default_params()
    params.vocab_only = True
    loaded = llama_cpp.llama_model_load_from_file(str(model).encode(), params)
    vocab = llama_cpp.llama_model_get_vocab(loaded)
    ids = [tokenizing.tokenize(llama_cpp, vocab, text) for text in texts]
    llama_cpp.llama_model_free(loaded)
    return ids
