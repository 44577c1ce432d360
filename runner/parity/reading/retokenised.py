"""A generated text as ids of the model's own tokenizer, where the runtime shows none. Pure."""

from collections.abc import Iterable, Sequence

from parity.adapter.events import Event, Token
from parity.errors import ModelError
from parity.models.pieces import Pieces
from parity.models.tokenizer import Encode
from parity.reading.identity import shown_text

UNDECODED = "\ufffd"
"""What stands in a text for bytes that are no character."""


def text_ids(events: Sequence[Event], encode: Encode | None, piece_of: Pieces | None) -> tuple[int, ...] | None:
    """The ids of a text that a runtime printed without ids, up to the first character that is not whole and the first
    special token, of which it is not known whether it was generated or written out. None where there are none."""
    text = shown_text(events)
    if encode is None or piece_of is None or text is None or any(isinstance(event, Token) for event in events):
        return None
    try:
        found = encode(text.partition(UNDECODED)[0])
    except ModelError:
        return None
    end = next((place for place, token in enumerate(found) if piece_of(token) == b""), len(found))
    return tuple(found[:end]) or None


def pieces_of(ids: Iterable[int], piece_of: Pieces | None) -> dict[int, bytes]:
    """Id → what its token writes, where that is known."""
    if piece_of is None:
        return {}
    pieces = {token: piece_of(token) for token in dict.fromkeys(ids)}
    return {token: piece for token, piece in pieces.items() if piece is not None}
