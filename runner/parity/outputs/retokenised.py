"""An answer judged token by token by what other runtimes score for it. Pure.

Of a runtime that shows no ids, its text by the model's own tokenizer stands for these. That is not what it generated:
it may have generated the same characters in other pieces, programs strip and collapse white space, and special tokens
are not printed. So a token speaks against a runtime only where no likely token of those that a scorer lists could have
been written there instead; what follows one that could is not certain any more, and speaks against nobody.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from parity.outputs.continuation import first_different
from parity.outputs.distances import most_of
from parity.outputs.findings import Near
from parity.outputs.floors import HALF, SHORT, Floor, floor_of, of_largest
from parity.outputs.sides import Compared, Ids, Side
from parity.outputs.tolerance import BLAMED, PASSES
from parity.reading.retokenised import UNDECODED, Added
from parity.reading.sampling import temperature_in
from parity.records import Margin, Scored, Trial

BY_CHANCE = 1e-4
"""How likely a sampler may be to take one token of its text that is called a contradiction."""

MOST_TOKENS = 2**18
"""Of any vocabulary that is in use."""

UNKNOWN = Floor(of_largest(HALF), "measured with BF16 activations against F32", SHORT)
"""What a program may differ by at least that says little of itself."""


@dataclass(frozen=True)
class Opinion:
    """What a scorer says of one token: which it finds likeliest, by how much, and by how much honest engines may take
    a different one."""

    preferred: int
    margin: Margin
    near: Near

    @property
    def contradicts(self) -> bool:
        return self.margin.nats > self.near.blamed

    @property
    def explains(self) -> bool:
        return self.margin.nats <= self.near.passes and not self.margin.at_least


@dataclass(frozen=True)
class Answer:
    """What a side generated first. `ids`: those that it showed, or else those of its text."""

    compared: Compared
    side: Side

    @cached_property
    def shown(self) -> bool:
        return bool(self.side.first_ids)

    @cached_property
    def ids(self) -> Ids:
        return self.side.first_ids or self.side.text_ids

    @cached_property
    def judged(self) -> int:
        """How many tokens are judged: of a text, not the last one where it may be cut."""
        ended = self.whole and (self.side.ended or self.side.met_end)
        return len(self.ids) if self.shown or ended else max(len(self.ids) - 1, 0)

    @cached_property
    def whole(self) -> bool:
        """Whether the ids are all that it wrote, but for a last character that is cut."""
        text = next(iter(self.side.texts.values()), "")
        return self.shown or _decoded(self.rest(0)).strip() == text.rstrip(UNDECODED).strip()

    def piece(self, token: int) -> bytes | None:
        return self.compared.pieces.get(token)

    @cached_property
    def written(self) -> tuple[bytes, ...]:
        """What each of its tokens writes; empty where that is not known of all."""
        pieces = [self.piece(token) for token in self.ids]
        return tuple(piece for piece in pieces if piece is not None) if None not in pieces else ()

    def rest(self, place: int) -> bytes:
        """The text from a token on."""
        return b"".join(self.written[place:])

    def words_to(self, place: int) -> int:
        """How many words there are up to and with a token."""
        return len(_decoded(b"".join(self.written[: place + 1])).split())

    @cached_property
    def keeps_space(self) -> bool:
        """Whether the program that printed the text shows by it that it does not collapse white space."""
        text = _decoded(self.rest(0)).strip()
        return "\n" in text or "  " in text

    @cached_property
    def slack(self) -> float:
        """By how many nats more a token may be behind, because the runtime samples.

        At temperature T, a token m nats below the likeliest one is e^(-m/T) times as likely as that one, and top-k and
        top-p leave the ratio of what they keep. So the chance that any of V tokens that are m nats below or more is
        taken in any of N places is at most N·V·e^(-m/T) (the union bound): m = T·ln(N·V ÷ chance)."""
        return (self.temperature or 0.0) * math.log(max(1, len(self.ids)) * MOST_TOKENS / BY_CHANCE)

    @cached_property
    def temperature(self) -> float | None:
        return temperature_in(self.side.identity)

    @cached_property
    def opinions(self) -> Mapping[str, Sequence[Opinion]]:
        """Scorer → what it says of each of the tokens in turn, as far as it scored the same ids before; those that say
        nothing are left out."""
        names = [name for name, side in self.compared.sides.items() if side.unsound is None]
        found = {name: tuple(self._by(self.compared.sides[name], self.along(name))) for name in names}
        return {name: opinions for name, opinions in found.items() if opinions}

    def along(self, scorer: str) -> Sequence[Scored]:
        """The scores of its tokens, up to and with the first that was not scored: of all that a runtime scored, the
        one that goes farthest."""
        found = (_scores_after(trial, self.side.prompt_ids, self.ids) for trial in self.compared.scorings(scorer))
        return max(found, key=len, default=())

    def _by(self, scorer: Side, scores: Sequence[Scored]) -> Iterator[Opinion]:
        found = floor_of(self.compared.quantisation, [self.side.identity, scorer.score_identity])
        floor = found if self.shown else max(found, UNKNOWN, key=lambda floor: floor.span.delta)
        for token, scored in zip(self.ids, scores, strict=False):
            allowed, blamed = PASSES * floor.span.odds, BLAMED * floor.over(scored.position).odds
            preferred, likeliest = scored.top[0] if scored.top else (scored.id, scored.logprob)
            logprob, at_most = most_of(scored, token)
            # Without a list, nothing is known of what it prefers.
            margin = Margin(nats=likeliest - logprob, at_least=at_most or not scored.top)
            yield Opinion(preferred, margin, Near(allowed + self.slack, blamed + self.slack))

    @cached_property
    def contradiction(self) -> int | None:
        """Place of the first token, from 0, that every other runtime that scored it puts beyond what honest engines may
        differ by, while nothing likely could have been written there instead."""
        others = {name: found for name, found in self.opinions.items() if name != self.side.runtime}
        against = {name: set(self.contradicted_by(name)) for name in others}
        for place in range(self.judged):
            asked = [name for name, found in others.items() if place < len(found)]
            if asked and all(place in against[name] for name in asked):
                return place
        return None

    def contradicted_by(self, scorer: str) -> Iterator[int]:
        """The places of the tokens that one scorer contradicts, while it is certain what was generated before."""
        scores = self.along(scorer)
        if not self.shown and not self.written:
            return
        for place, opinion in enumerate(self.opinions.get(scorer, ())[: self.judged]):
            if not self.shown and self._may_be_other(place, scores[place], opinion):
                return
            if opinion.contradicts:
                yield place

    def _may_be_other(self, place: int, scored: Scored, opinion: Opinion) -> bool:
        """Whether a likely token could have been generated instead of the text's, and the text be the same. White space
        alone tells two tokens apart only where none can have been changed. One that is not listed may be any, but
        counts as likely only within a near-tie."""
        chosen, rest = self.ids[place], self.rest(place)
        exact = self.keeps_space and place > 0 and not opinion.contradicts and bool(_decoded(rest).strip())
        likeliest = scored.top[0][1] if scored.top else 0.0
        likely = [token for token, logprob in scored.top if likeliest - logprob <= opinion.near.blamed]
        last = scored.top[-1][1] if scored.top else 0.0
        if opinion.contradicts and not _decoded(self.piece(chosen) or b"").strip():
            return True
        all_listed = math.fsum(math.exp(logprob) for _, logprob in scored.top) >= ALL_LISTED
        if likeliest - last <= opinion.near.passes and not all_listed:
            return True
        return any(_fits(self.piece(token), rest, exact=exact) for token in likely if token != chosen)

    def explained(self, scorer: str) -> int:
        """How many of the tokens are, one after the other, those that a scorer finds the likeliest, or near it."""
        found = self.opinions.get(scorer, ())[: self.judged]
        return next((place for place, opinion in enumerate(found) if not opinion.explains), len(found))

    def is_greedy_by(self, scorer: str) -> bool:
        """Whether that is so of all that it wrote."""
        return self.whole and 0 < self.judged == self.explained(scorer)

    def first_odd(self, scorer: str) -> int | None:
        """Place of the first token that a scorer puts beyond what honest engines may differ by, though a likely one may
        have been written there instead."""
        found = enumerate(self.opinions.get(scorer, ())[: self.judged])
        return next((place for place, opinion in found if opinion.contradicts), None)

    def agrees_to(self, scorer: str, place: int) -> bool:
        """Whether a scorer contradicts none of the tokens up to and with one, or all that are judged."""
        found = self.opinions.get(scorer, ())
        until = min(place + 1, self.judged)
        return len(found) >= until and not any(opinion.contradicts for opinion in found[:until])

    def mean_logprob(self, scorer: str) -> float | None:
        """Of the tokens that are judged, by one scorer; None where it did not score all of them."""
        along = self.along(scorer)[: self.judged]
        values = [most_of(scored, token) for scored, token in zip(along, self.ids, strict=False)]
        if not values or len(values) < self.judged or any(at_most for _, at_most in values):
            return None
        return math.fsum(value for value, _ in values) / len(values)

    def quoted(self, token: int) -> str:
        piece = self.piece(token)
        return f"{_decoded(piece)!r} (id {token})" if piece else f"id {token}"


ALL_LISTED = 1 - 1e-4
"""What the listed probabilities add up to at least where no other token has any to speak of."""


def apart(one: Answer, other: Answer) -> Mapping[str, float]:
    """Scorer → by how many nats it prefers the token of the first answer to that of the other where they part; of
    those that list both. Empty where they don't part."""
    place = first_different(one.ids, other.ids)
    if place is None or one.side.prompt_ids != other.side.prompt_ids:
        return {}
    found = {}
    for name in dict.fromkeys((*one.opinions, *other.opinions)):
        for scores in (one.along(name)[place:], other.along(name)[place:]):
            tokens = [most_of(scores[0], answer.ids[place]) for answer in (one, other)] if scores else []
            if tokens and not any(at_most for _, at_most in tokens):
                found[name] = tokens[0][0] - tokens[1][0]
    return found


def _scores_after(trial: Trial, prompt: Ids | None, ids: Ids) -> Sequence[Scored]:
    """What a trial scored for each of these ids in turn, after the prompt: up to and with the first that it did not
    score."""
    if not prompt or trial.prompt_ids != prompt:
        return ()
    scores = [scored for scored in trial.scores if scored.position >= len(prompt)]
    place = first_different(ids, tuple(scored.id for scored in scores))
    return scores[: len(ids)] if place is None else scores[: place + 1]


def _fits(piece: bytes | None, rest: bytes, *, exact: bool) -> bool:
    """Whether a token could have been written where the rest of a text begins, or more of a text that is cut. Programs
    write special tokens nowhere, and hide some that are only added, so that these always could."""
    if not piece or isinstance(piece, Added):
        return True
    if exact:
        return rest.startswith(piece) or piece.startswith(rest)
    mine, text = _squeezed(_without_part(piece)), _squeezed(rest)
    return text.startswith(mine) or mine.startswith(text)


def _without_part(piece: bytes) -> bytes:
    """Without a character at its end of which it has the first bytes alone, where that may be white space."""
    return next((piece.removesuffix(part) for part in _PARTS if piece.endswith(part)), piece)


_SPACES = [chr(code).encode() for code in range(0x80, 0x10000) if chr(code).isspace()]
_PARTS = sorted({space[:k] for space in _SPACES for k in range(1, len(space))}, key=len, reverse=True)
"""The first bytes of white space of which a character has more than one."""


def _squeezed(text: bytes) -> bytes:
    return " ".join(_decoded(text).split()).encode("utf-8", errors="surrogateescape")


def _decoded(text: bytes) -> str:
    """Bytes that are no whole character stay what they are."""
    return text.decode("utf-8", errors="surrogateescape")
