"""What each token of a `tokenizer.json` writes, by itself."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from parity.models.tokenizer import load_tokenizer

Pieces = Callable[[int], bytes | None]
"""Id → the bytes that the token stands for, none for a special token; None where that is not known."""


class Added(bytes):
    """What a token writes that was added to a vocabulary and is not special: some programs hide such ones, as those
    around reasoning."""


def load_pieces(path: Path) -> Pieces:
    """The pieces of a byte-level tokenizer, or of one with `▁` for spaces and `<0x0A>` for bytes. Of any other kind,
    those of its added tokens alone are known.

    Raises:
        ModelError: the file is no tokenizer that can be loaded.
    """
    tokenizer = load_tokenizer(path)
    added = tokenizer.get_added_tokens_decoder()
    state = json.loads(tokenizer.decoder.__getstate__()) if tokenizer.decoder is not None else {}
    kinds = {step.get("type") for step in (state, *state.get("decoders", ()))}

    def piece(token: int) -> bytes | None:
        if (known := added.get(token)) is not None:
            return b"" if known.special else Added(str(known.content).encode())
        word = tokenizer.id_to_token(token)
        if word is None:
            return None
        if "ByteLevel" in kinds:
            return _of_bytes(word)
        return _of_spaces(word) if "ByteFallback" in kinds else None

    return piece


def _of_bytes(word: str) -> bytes | None:
    values = [_BYTES.get(character) for character in word]
    return None if None in values else bytes(value for value in values if value is not None)


def _of_spaces(word: str) -> bytes:
    if found := re.fullmatch(r"<0x([0-9A-Fa-f]{2})>", word):
        return bytes.fromhex(found[1])
    return word.replace("▁", " ").encode()


def _byte_characters() -> Mapping[str, int]:
    """The character by which a byte-level tokenizer writes each byte: its own where that is printable, and else one
    from 256 on, in order (`bytes_to_unicode` of GPT-2's encoder.py)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [value for value in range(256) if value not in printable]
    return {chr(value): value for value in printable} | {chr(256 + k): value for k, value in enumerate(others)}


_BYTES = _byte_characters()
