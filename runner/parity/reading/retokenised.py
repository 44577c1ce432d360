"""A generated text as ids of the model's own tokenizer, where the runtime shows none. Pure."""

import codecs
from collections.abc import Iterable, Sequence

from parity.adapter.events import Event, Token
from parity.errors import ModelError
from parity.models.pieces import Added, Pieces
from parity.models.tokenizer import Encode
from parity.reading.identity import shown_text
from parity.redaction import REDACTED

__all__ = ["UNDECODED", "Added", "pieces_of", "text_ids"]

UNDECODED = "\ufffd"
"""What stands in a text for bytes that are no character."""


def text_ids(events: Sequence[Event], encode: Encode | None, piece_of: Pieces | None) -> tuple[int, ...] | None:
    """The ids of a text that a runtime printed without ids, up to the first character that is not whole, the first
    secret that was masked, the first special token, of which it is not known whether it was generated or written out,
    and the first that writes other characters, such as those of a normal form. None where there are none."""
    text = shown_text(events)
    if encode is None or piece_of is None or text is None or any(isinstance(event, Token) for event in events):
        return None
    try:
        known = text.partition(UNDECODED)[0].partition(REDACTED)[0]
        found = encode(known)
        end = next((place for place, token in enumerate(found) if piece_of(token) == b""), len(found))
        return tuple(found[: _written(found[:end], known, piece_of)]) or None
    except ModelError:
        return None


def _written(ids: Sequence[int], text: str, piece_of: Pieces) -> int:
    """How many of the ids write a text's own characters, white space aside. All where one is not known to write any."""
    rest, whole = "".join(text.split()), 0
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for place, token in enumerate(ids, start=1):
        piece = piece_of(token)
        if piece is None:
            return len(ids)
        written = "".join(decoder.decode(piece).split())
        if not rest.startswith(written):
            return whole
        rest = rest[len(written) :]
        if not decoder.getstate()[0]:
            whole = place
    return whole


def pieces_of(ids: Iterable[int], piece_of: Pieces | None) -> dict[int, bytes]:
    """Id → what its token writes, where that is known."""
    if piece_of is None:
        return {}
    try:
        pieces = {token: piece_of(token) for token in dict.fromkeys(ids)}
    except ModelError:
        return {}
    return {token: piece for token, piece in pieces.items() if piece is not None}
