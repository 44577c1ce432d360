"""Ids as text, where the model's tokenizer is known."""

from collections.abc import Callable, Iterable, Sequence
from typing import cast

from parity.errors import ModelError
from parity.models.tokenizer import ask_library, write_tokenizer
from parity.records import ModelFacts
from parity.run.bisect.records import Token
from parity.run.log import RunFolder

TextOf = Callable[[Sequence[int]], str | None]
"""The text of some ids, special tokens included; None where it is not known."""


def text_of(folder: RunFolder, model: ModelFacts) -> TextOf:
    """By the tokenizer that the run kept, or else by the model's own, which is then kept in `folder`."""
    kept = folder.tokenizer_path(model.name)
    path = kept if kept.exists() else folder.path / "tokenizer.json"
    try:
        written = path if path.exists() else write_tokenizer(model, path)
        ask_library("load", written)
    except (ModelError, OSError):
        return lambda ids: None

    def decode(ids: Sequence[int]) -> str | None:
        try:
            return cast("str | None", ask_library("text_of", written, list(ids)))
        except ModelError:
            return None

    return decode


def token(token: int, text: TextOf) -> Token:
    return Token(id=token, text=text([token]))


def texts(ids: Iterable[int], text: TextOf) -> dict[int, str]:
    """Id → its text, of those whose text is known."""
    found = {token: text([token]) for token in ids}
    return {token: said for token, said in found.items() if said is not None}
