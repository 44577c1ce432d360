"""What each token of a `tokenizer.json` writes, by itself."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from parity.models.tokenizer import ask_library

Pieces = Callable[[int], bytes | None]
"""Id → the bytes that the token stands for, none for a special token; None where that is not known. Raises ModelError
for a tokenizer that can't be loaded."""


class Added(bytes):
    """What a token writes that was added to a vocabulary and is not special: some programs hide such ones, as those
    around reasoning."""


def load_pieces(path: Path) -> Pieces:
    """The pieces of a byte-level tokenizer, or of one with `▁` for spaces and `<0x0A>` for bytes. Of any other kind,
    those of its added tokens alone are known. The file is read when a piece is first asked for."""

    @cache
    def pieces() -> dict[int, bytes]:
        found = ask_library("pieces_of", path)
        return {int(k): (Added if added else bytes)(bytes.fromhex(written)) for k, (written, added) in found.items()}

    return lambda token: pieces().get(token)
