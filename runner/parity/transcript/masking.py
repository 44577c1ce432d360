"""Takes secrets out of a stream of pieces as they come, also where one is split over several reads."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from parity.redaction import REDACTED, mask_of
from parity.transcript.content import Piece

_REDACTED = REDACTED.encode()


@dataclass
class MaskedStream:
    """One stream of a process. What may be the beginning of a secret is held back until more of it comes."""

    secrets: frozenset[str]
    _held: list[Piece] = field(default_factory=list)

    def feed(self, piece: Piece) -> Iterator[Piece]:
        """The pieces that may be kept by now, each with the time at which it came."""
        pieces = [*self._held, piece]
        data = b"".join(each.data for each in pieces)
        mask = mask_of(self.secrets)
        until = mask.undecided(data)
        spans = [span for span in mask.spans(data) if span[0] < until]
        until = max(until, spans[-1][1]) if spans else until
        self._held = list(_between(pieces, until, len(data)))
        yield from _without(pieces, spans, until)

    def rest(self) -> Iterator[Piece]:
        """What was held back, when no more comes."""
        data = b"".join(piece.data for piece in self._held)
        yield from _without(self._held, mask_of(self.secrets).spans(data), len(data))
        self._held = []


def _between(pieces: Iterable[Piece], start: int, stop: int) -> Iterator[Piece]:
    """The parts of pieces that lie between two offsets of their stream."""
    begin = 0
    for piece in pieces:
        part = piece.data[max(0, start - begin) : max(0, stop - begin)]
        begin += len(piece.data)
        if part:
            yield piece if len(part) == len(piece.data) else Piece(piece.t_ns, piece.stream, part)


def _without(pieces: list[Piece], spans: list[tuple[int, int]], until: int) -> Iterator[Piece]:
    """The pieces up to an offset without these spans. Each secret is replaced in the piece in which it begins."""
    begin = 0
    for piece in pieces:
        end = min(begin + len(piece.data), until)
        kept, at = [], begin
        for start, stop in spans:
            if start < end and stop > begin:
                kept.append(piece.data[at - begin : max(at, start) - begin])
                kept += [_REDACTED] if start >= begin else []
                at = min(stop, end)
        kept.append(piece.data[at - begin : max(at, end) - begin])
        begin += len(piece.data)
        if data := b"".join(kept):
            yield Piece(piece.t_ns, piece.stream, data)
        if begin >= until:
            return
