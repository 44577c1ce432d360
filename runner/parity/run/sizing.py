"""Prompts of given lengths for a model that is run without a config, counted by its own tokenizer."""

import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from parity.config.prompts import long_text
from parity.errors import ModelError
from parity.models import model_facts
from parity.models.tokenizer import Encode, load_encoder, write_tokenizer
from parity.run.progress import Progress

FILLERS = (" a", " the", " and", ".", ",", "\n", "1", "a", "!")
"""What may add a single token to a text."""

MOST_CHARACTERS = 64
"""A token of a text, on average: of a vocabulary with longer ones, no text is long enough."""


def sized_prompts(source: str, lengths: Sequence[int], progress: Progress) -> tuple[dict[int, str], str | None]:
    """Length → a prompt of so many tokens, without those that a runtime adds itself; and why lengths are missing, if
    they are. Fetches the model, which the run needs anyway.

    Raises:
        ModelError: the model can't be fetched or read.
    """
    model = model_facts("model", source, source, base=Path.cwd(), watch=progress.fetched)
    with tempfile.TemporaryDirectory(prefix="parity-") as scratch:
        try:
            encode = lru_cache(load_encoder(write_tokenizer(model, Path(scratch) / "tokenizer.json")))
            found = {length: text_of(length, encode) for length in lengths}
        except ModelError as error:
            return {}, str(error)
    short = [str(length) for length, text in found.items() if text is None]
    why = f"no text of exactly {', '.join(short)} tokens was found for its tokenizer" if short else None
    return {length: text for length, text in found.items() if text is not None}, why


def text_of(tokens: int, encode: Encode) -> str | None:
    """A text of exactly so many tokens; None where none is found. Raises ModelError as `encode` does."""
    base, size = long_text(tokens), tokens
    while len(encode(base)) < tokens:
        if len(base) > MOST_CHARACTERS * tokens:
            return None
        size *= 2
        base = long_text(size)
    low, high = 0, len(base)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(encode(base[:middle])) <= tokens else (low, middle - 1)
    # Between words, for half a word is no text that anybody writes.
    text = base[: base.rfind(" ", 0, low)] if " " in base[:low] and low < len(base) else base[:low]
    while (count := len(encode(text))) < tokens:
        longer = next((text + more for more in FILLERS if count < len(encode(text + more)) <= tokens), None)
        if longer is None:
            return None
        text = longer
    return text if count == tokens else None
