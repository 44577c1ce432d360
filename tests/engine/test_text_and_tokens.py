"""Programs that show tokens and those that show their text in pieces have definitions in common."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from builders import MS, SPAWN_NS, timeline, transcript

from parity.adapter.events import Chunk, Count, Event, Phase, Token
from parity.reading.measure import measure
from parity.records import Measurement

WORDS = {k: f" w{k}".encode() for k in range(1, 40)}
EVEN_MS = tuple(range(150, 150 + 10 * 12, 10))


def words(text: str) -> int:
    return len(text.split())


def by_definition(
    events: Sequence[Event], pieces: dict[int, bytes] | None = None
) -> dict[tuple[str, str], Measurement]:
    piece_of = None if pieces is None else pieces.get
    return {(m.metric, m.definition): m for m in measure(transcript(events), events, words, None, piece_of)}


def as_text(events: Sequence[Event], pieces: dict[int, bytes]) -> list[Event]:
    """The same trial of a program that shows text instead of its tokens."""
    shown = [Chunk(t_ns=e.t_ns, text=pieces[e.id].decode()) if isinstance(e, Token) else e for e in events]
    tokens = [e for e in events if isinstance(e, Token)]
    end = Phase(t_ns=tokens[-1].t_ns, name="generate", edge="end")
    return [*shown, end, Count(t_ns=tokens[-1].t_ns, generated=len(tokens))]


SHARED = (
    ("ttft_s", "first-text"),
    ("prompt_tps", "prompt-to-text"),
    ("gen_tps", "chunk-interval"),
    ("itl_p50_s", "text-gaps"),
    ("generated_tokens", "runtime-count"),
    ("generated_tokens", "retokenised-text"),
)


@pytest.mark.parametrize("key", SHARED)
def test_one_trial_has_one_value_whether_its_tokens_or_its_text_are_shown(key: tuple[str, str]) -> None:
    tokens = [e if not isinstance(e, Token) else e.model_copy(update={"id": e.k}) for e in timeline(token_ms=EVEN_MS)]
    by_tokens, by_text = by_definition(tokens, WORDS), by_definition(as_text(tokens, WORDS))
    assert by_tokens[key].value is not None
    assert by_tokens[key].value == pytest.approx(by_text[key].value)


def test_a_token_shows_its_text_when_its_last_character_is_whole() -> None:
    pieces = {1: b" \xf0\x9f", 2: b"\x98\x80", **{k: f" w{k}".encode() for k in range(3, 13)}}
    tokens = [e if not isinstance(e, Token) else e.model_copy(update={"id": e.k}) for e in timeline(token_ms=EVEN_MS)]
    found = by_definition(tokens, pieces)
    assert found["ttft_s", "token-stamps"].value == pytest.approx(0.040)
    # The space of the first token is visible at once.
    assert found["ttft_s", "first-text"].value == pytest.approx(0.040)
    found = by_definition(tokens, {**pieces, 1: b"\xf0\x9f"})
    assert found["ttft_s", "first-text"].value == pytest.approx(0.050)


def test_what_a_token_writes_has_to_be_known() -> None:
    assert ("ttft_s", "first-text") not in by_definition(timeline(token_ms=EVEN_MS))


def test_a_first_piece_of_many_tokens_shows_no_latency() -> None:
    chunks = [Chunk(t_ns=SPAWN_NS + ms * MS, text=" one two three four five") for ms in EVEN_MS]
    found = by_definition([*timeline(token_ms=()), *chunks])
    assert "holds 5 tokens" in (found["ttft_s", "first-text"].reason or "")
    assert "60 tokens came in 12 pieces" in (found["itl_p50_s", "text-gaps"].reason or "")
    assert found["gen_tps", "chunk-interval"].value is not None


def test_a_first_piece_of_two_tokens_is_later_than_the_first_token_by_a_step() -> None:
    pieces = [Chunk(t_ns=SPAWN_NS + ms * MS, text=" one two") for ms in EVEN_MS]
    found = by_definition([*timeline(token_ms=()), *pieces])
    for key in (("ttft_s", "first-text"), ("prompt_tps", "prompt-to-text")):
        assert "holds 2 tokens" in (found[key].reason or "")


def test_the_text_of_tokens_of_which_one_is_not_known_is_not_known() -> None:
    tokens = [e if not isinstance(e, Token) else e.model_copy(update={"id": e.k}) for e in timeline(token_ms=EVEN_MS)]
    found = by_definition(tokens, {k: piece for k, piece in WORDS.items() if k != 7})
    of_text = set(SHARED) - {("generated_tokens", "runtime-count")}
    assert not [key for key in of_text if key in found and found[key].value is not None]


def test_text_that_is_held_back_shows_no_latency_of_its_first_piece() -> None:
    held = [Chunk(t_ns=SPAWN_NS + 900 * MS + k, text=" one") for k in range(12)]
    found = by_definition([*timeline(token_ms=()), *held])
    assert found["ttft_s", "first-text"].reason == "all text came in one burst"
    assert found["prompt_tps", "prompt-to-text"].reason == "all text came in one burst"
    assert all(later.t_ns >= earlier.t_ns for earlier, later in pairwise(held))
