"""What the `tokenizers` library does, for a child with limits: it may panic, or search for ever in what a model brings.

Every function takes the path and the stamp of a `tokenizer.json`, and raises what the library raises.
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=4)
def _loaded(path: str, stamp: str) -> Any:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(path)


def load(path: str, stamp: str) -> None:
    """Raises what the library does for a file that is no tokenizer."""
    _loaded(path, stamp)


def ids_of(path: str, stamp: str, text: str) -> list[int]:
    """The ids of a text, special tokens recognised, none added."""
    ids: list[int] = _loaded(path, stamp).encode(text, add_special_tokens=False).ids
    return ids


def text_of(path: str, stamp: str, ids: Sequence[int]) -> str | None:
    """The text of some ids, special tokens included; None where one of them is none of the tokenizer's."""
    tokenizer = _loaded(path, stamp)
    size = tokenizer.get_vocab_size(with_added_tokens=True)
    if any(not 0 <= token < size for token in ids):
        return None
    text: str = tokenizer.decode(list(ids), skip_special_tokens=False)
    return text


def vocabulary_of(path: str, stamp: str) -> dict[str, int]:
    """Token → id, those that were added included."""
    vocabulary: dict[str, int] = _loaded(path, stamp).get_vocab(with_added_tokens=True)
    return vocabulary


def pieces_of(path: str, stamp: str) -> dict[str, tuple[str, bool]]:
    """Id, in decimal → hexadecimal bytes that its token writes, and whether it was added and is not special. Those of
    which it is not known are left out."""
    tokenizer = _loaded(path, stamp)
    state = json.loads(tokenizer.decoder.__getstate__()) if tokenizer.decoder is not None else {}
    kinds = {step.get("type") for step in (state, *state.get("decoders", ()))}
    added = tokenizer.get_added_tokens_decoder()
    pieces = {
        str(token): ("" if known.special else str(known.content).encode().hex(), not known.special)
        for token, known in added.items()
    }
    for word, token in tokenizer.get_vocab(with_added_tokens=False).items():
        if token not in added and (written := _written(word, kinds)) is not None:
            pieces[str(token)] = (written.hex(), False)
    return pieces


def _written(word: str, decoders: set[Any]) -> bytes | None:
    """What a word writes in a byte-level tokenizer, or in one with `▁` for spaces and `<0x0A>` for bytes."""
    if "ByteLevel" in decoders:
        return _of_bytes(word)
    return _of_spaces(word) if "ByteFallback" in decoders else None


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
"""What each token of a byte-level `tokenizer.json` is written with."""
