"""One tokenizer for all runtimes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from texts import AWKWARD

from parity_synth import PRESETS
from parity_synth.tokenizer import Tokenizer, build_tokenizer


def test_tokenizer_gives_back_what_it_learned(tiny_tokenizer: Tokenizer) -> None:
    assert len(set(tiny_tokenizer.tokens)) == len(tiny_tokenizer.tokens) == 4090
    learned = set(tiny_tokenizer.tokens[:256])
    for left, right in tiny_tokenizer.merges:
        assert {left, right} <= learned, "a merge joins what earlier merges gave"
        learned.add(left + right)
    assert learned == set(tiny_tokenizer.tokens[: tiny_tokenizer.special_from])
    assert len(tiny_tokenizer.words()) > 500


@pytest.mark.slow
def test_full_vocabulary_has_qwens_sizes_and_ids() -> None:
    tokenizer = build_tokenizer(PRESETS["qwen3-1.7b"].tokens)
    assert len(tokenizer.merges) == 151_387
    ids = [tokenizer.id_of(token) for token in ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")]
    assert ids == [151_643, 151_644, 151_645, 151_667, 151_668]
    assert len(tokenizer.words()) > 10_000


@pytest.mark.slow
@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_text_has_the_same_ids_in_every_tokenizer(
    text: str, runtime: Any, mlx_encode: Callable[[str, bool], list[int]], tokenizer_file: Any
) -> None:
    """Candle's is tested beside the Candle reference."""
    expected = tokenizer_file.encode(text, add_special_tokens=False).ids
    assert runtime.tokenize(text.encode(), add_bos=False, special=True) == expected
    assert mlx_encode(text, True) == expected
    assert tokenizer_file.decode(expected, skip_special_tokens=False) == text


@pytest.fixture(scope="module")
def mlx_encode(made: Callable[[str, str], Path]) -> Callable[[str, bool], list[int]]:
    """The tokenizer that the worker of MLX rebuilds from the GGUF file."""
    import mlx.core as mx

    from parity_adapters.mlx_lm.worker.gguf_file import Metadata
    from parity_adapters.mlx_lm.worker.tokenizing import gguf_tokenizer

    _, metadata = cast(Any, mx.load(str(made("tiny-qwen3", "F16")), return_metadata=True))
    return gguf_tokenizer(Metadata(metadata)).encode


@pytest.fixture(scope="module")
def tokenizer_file(made: Callable[[str, str], Path]) -> Any:
    from tokenizers import Tokenizer as TokenizerFile

    return TokenizerFile.from_file(str(made("tiny-qwen3", "F16").with_name("tokenizer.json")))
