"""A text without ids, by the model's own tokenizer: which ids stand for it, and what each token writes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

from parity.adapter.events import Event, Text, Token
from parity.errors import ModelError
from parity.models.pieces import Added, load_pieces
from parity.models.tokenizer import load_encoder
from parity.reading.retokenised import pieces_of, text_ids


@pytest.fixture
def byte_level(tmp_path: Path) -> Path:
    """One token for each byte, ` a` and `ab`, a special token and one that is only added."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    ids = {word: k for k, word in enumerate([*alphabet, "Ġa", "ab"])}
    tokenizer = Tokenizer(models.BPE(ids, [("Ġ", "a"), ("a", "b")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken("<|end|>", special=True)])
    tokenizer.add_tokens([AddedToken("<think>", special=False)])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def ids_in(path: Path, text: str, *, more: tuple[Event, ...] = ()) -> list[bytes] | None:
    """What the ids of a text write."""
    piece_of = load_pieces(path)
    found = text_ids([*more, Text(t_ns=2, text=text)], load_encoder(path), piece_of)
    return None if found is None else [piece_of(token) or b"" for token in found]


@pytest.mark.parametrize("text", [" ab a", "ab\n\n\tab", "你好 🙂 é", "<think>ab"])
def test_the_pieces_of_a_text_are_its_bytes(byte_level: Path, text: str) -> None:
    assert b"".join(ids_in(byte_level, text) or []) == text.encode()


def test_a_special_token_writes_nothing_and_an_added_one_itself(byte_level: Path) -> None:
    tokenizer, piece_of = Tokenizer.from_file(str(byte_level)), load_pieces(byte_level)
    assert piece_of(tokenizer.token_to_id("<|end|>")) == b""
    think = piece_of(tokenizer.token_to_id("<think>"))
    assert (think, type(think)) == (b"<think>", Added)
    assert piece_of(10**6) is None
    assert pieces_of([10**6, tokenizer.token_to_id("ab")], piece_of) == {tokenizer.token_to_id("ab"): b"ab"}
    assert pieces_of([1], None) == {}


def test_bytes_and_spaces_of_the_other_family(tmp_path: Path) -> None:
    words = ["<unk>", "<0x0A>", "<0xE4>", "▁the", "a", "<0xZZ>", "<0x-1>"]
    tokenizer = Tokenizer(models.BPE({word: k for k, word in enumerate(words)}, [], unk_token="<unk>"))
    path = tmp_path / "tokenizer.json"
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.save(str(path))
    assert [load_pieces(path)(k) for k in range(1, 7)] == [b"\n", b"\xe4", b" the", b"a", b"<0xZZ>", b"<0x-1>"]
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.save(str(path))
    assert [load_pieces(path)(k) for k in range(1, 5)] == [None] * 4


def test_ids_end_at_a_broken_character_and_at_a_special_token(byte_level: Path) -> None:
    assert ids_in(byte_level, "ab\ufffdab") == [b"ab"]
    assert ids_in(byte_level, "ab a<|end|>ab") == [b"ab", b" a"]
    assert ids_in(byte_level, "<|end|>ab") is None
    assert ids_in(byte_level, "") is None


def test_ids_end_where_a_tokenizer_writes_other_characters(byte_level: Path) -> None:
    tokenizer = Tokenizer.from_file(str(byte_level))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.save(str(byte_level))
    assert ids_in(byte_level, "ab ae\u0301ab") == [b"ab", b" a"]
    assert b"".join(ids_in(byte_level, "ab \u00e9ab") or []) == "ab \u00e9ab".encode()


def test_only_a_text_without_ids_is_split(byte_level: Path) -> None:
    assert ids_in(byte_level, "ab", more=(Token(t_ns=2, k=1, id=5),)) is None
    piece_of = load_pieces(byte_level)
    assert text_ids([Text(t_ns=2, text="ab")], None, piece_of) is None
    assert text_ids([Text(t_ns=2, text="ab")], load_encoder(byte_level), None) is None
    assert text_ids([], load_encoder(byte_level), piece_of) is None


def test_a_tokenizer_that_fails_on_a_text_gives_it_no_ids(byte_level: Path) -> None:
    def fails(text: str) -> list[int]:
        raise ModelError("no", "none")

    encode: Callable[[str], list[int]] = fails
    events: list[Event] = [Text(t_ns=2, text="ab")]
    assert text_ids(events, encode, load_pieces(byte_level)) is None


def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps({}), encoding="utf-8")
    with pytest.raises(ModelError, match="the tokenizers library fails on this tokenizer"):
        load_pieces(tmp_path / "tokenizer.json")(1)
