"""Headers of GGUF files: what they say, and that whatever makes one unusable is one clear error."""

import hashlib
import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_files import F32, LAYERS, Q8_0, VALUES, facts_of, gguf_bytes, packed, safetensors_bytes
from runs import MODEL

from parity.errors import ModelError
from parity.models import parse_source, silent
from parity.models.gguf_header import read_array, read_header, tensor_type


def test_facts_of_a_real_model_are_those_of_its_header() -> None:
    facts = facts_of(MODEL)
    assert facts.format == "gguf"
    assert facts.sha256 == hashlib.sha256(Path(facts.path).read_bytes()).hexdigest()
    assert facts.size_bytes == Path(facts.path).stat().st_size
    assert (facts.architecture, facts.context_length, facts.vocab_size) == ("llama", 8192, 49152)
    assert facts.tokenizer == "gpt2/smollm"
    assert facts.parameters == 134_515_008
    assert facts.quantisation == {"F32": 61, "Q4_1": 210, "Q8_0": 1}
    assert facts.architecture_keys["llama.rope.freq_base"] == 100_000.0
    assert facts.architecture_keys["llama.attention.head_count_kv"] == 3
    assert not [key for key in facts.architecture_keys if not key.startswith("llama.")]
    assert not facts.synthetic


def test_a_list_or_a_long_text_under_the_architectures_name_is_a_fact_of_bounded_length(tmp_path: Path) -> None:
    said = {"llama.some": ["a", "b"], "llama.many": ["a"] * 1000, "llama.long": "x" * 1000, "llama.flag": True}
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf_bytes({**VALUES, **said, "llama2.other": 1}))
    keys = facts_of(path).architecture_keys
    assert keys == {
        "llama.context_length": 64,
        "llama.some": "['a', 'b']",
        "llama.many": "1000 values",
        "llama.long": "x" * 200 + "…",
        "llama.flag": True,
    }


@pytest.mark.slow
def test_header_of_a_real_model_is_what_the_gguf_package_reads() -> None:
    from gguf import GGUFReader

    path = parse_source(MODEL, Path()).fetch(silent)
    ours, theirs = read_header(path), GGUFReader(path)
    assert ours.data_start == theirs.data_offset
    listed = [
        (
            tensor.name,
            tensor.shape,
            (tensor_type(tensor.type_id) or ("",))[0],
            ours.data_start + tensor.offset,
        )
        for tensor in ours.tensors
    ]
    assert listed == [
        (tensor.name, tuple(map(int, tensor.shape)), tensor.tensor_type.name, tensor.data_offset)
        for tensor in theirs.tensors
    ]
    template = theirs.fields["tokenizer.chat_template"].contents()
    assert ours.values["tokenizer.chat_template"].decode() == template
    for key in ("tokens", "token_type", "merges"):
        field = theirs.fields[f"tokenizer.ggml.{key}"]
        assert read_array(path, ours.values[f"tokenizer.ggml.{key}"]) == field.contents()
    assert set(ours.values) == {name for name in theirs.fields if not name.startswith("GGUF.")}


def test_array_of_a_header_is_read_when_it_is_asked_for(gguf: Path) -> None:
    array = read_header(gguf).values["tokenizer.ggml.tokens"]
    assert read_array(gguf, array) == VALUES["tokenizer.ggml.tokens"]
    gguf.write_bytes(gguf.read_bytes()[: array.position + 20])
    with pytest.raises(ModelError, match="cut off"):
        read_array(gguf, array)


@pytest.mark.slow
def test_every_truncation_of_a_model_is_refused(gguf: Path) -> None:
    whole = gguf.read_bytes()
    data_end = read_header(gguf).data_start + 3 * 34 + 26 + 128
    assert data_end == len(whole), "the last tensor fills its padding, so every cut takes data away"
    for length in range(len(whole)):
        gguf.write_bytes(whole[:length])
        with pytest.raises(ModelError) as caught:
            read_header(gguf)
        assert "cut off" in caught.value.wrong or length == 0
        assert str(gguf) in caught.value.wrong


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(position=st.integers(0, 500), replacement=st.binary(min_size=1, max_size=12))
def test_damaged_header_is_read_or_refused_and_nothing_else(tmp_path: Path, position: int, replacement: bytes) -> None:
    path = tmp_path / "damaged.gguf"
    whole = gguf_bytes()
    path.write_bytes(whole[:position] + replacement + whole[position + len(replacement) :])
    with suppress(ModelError):
        facts_of(path)


@pytest.mark.slow
@pytest.mark.parametrize("kept", [0.0001, 0.01, 0.3, 0.9, 0.999999])
def test_truncated_real_model_is_refused_with_the_place(tmp_path: Path, kept: float) -> None:
    whole = parse_source(MODEL, Path()).fetch(silent)
    path = tmp_path / "cut.gguf"
    length = int(whole.stat().st_size * kept)
    with whole.open("rb") as source:
        path.write_bytes(source.read(length))
    with pytest.raises(ModelError, match="cut off") as caught:
        facts_of(path, sha256="0" * 64)
    assert str(length) in caught.value.wrong


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"", "empty"),
        (b"GG", "cut off"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS pointer"),
        (b"<!doctype html><title>404</title>", "web page"),
        (b"tjgg\x03\x00\x00\x00", "GGJT"),
        (b"PK\x03\x04" + bytes(100), "zip"),
        (safetensors_bytes(LAYERS), "safetensors"),
        (bytes(range(129, 136)) + b"\xff" * 99, "not a GGUF file"),
        (b"GGUF" + struct.pack(">IQQ", 3, 2, 6), "big-endian"),
        (gguf_bytes(version=1), "version 1"),
        (gguf_bytes(version=9), "version 9"),
        (gguf_bytes(tensors=[]), "without weights"),
        (gguf_bytes(values={}), "without weights or architecture"),
        (gguf_bytes(values=VALUES | {"general.type": "adapter"}), "of type adapter"),
        (gguf_bytes(values=VALUES | {"split.count": 3}), "split into 3 files"),
        (gguf_bytes(values=VALUES | {"general.alignment": 24}), "alignment"),
        (gguf_bytes(tensors=[("t", (32,), 4000)]), "type 4000"),
        (gguf_bytes(tensors=[("t", (33,), Q8_0)]), "not a whole number of blocks"),
        (gguf_bytes(tensors=[("t", (32,), F32)] * 2), "the same name"),
        (gguf_bytes(tensors=[("t", (32, 0), F32)]), "empty"),
        (gguf_bytes(tensors=[("t", (1,) * 5, F32)]), "5 dimensions"),
    ],
)
def test_foreign_file_is_refused_by_what_it_is(tmp_path: Path, content: bytes, wrong: str) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        facts_of(path)
    assert wrong in caught.value.wrong
    assert caught.value.remedy


def test_huge_counts_in_a_small_header_end_at_once(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(struct.pack("<4sIQQ", b"GGUF", 3, 2**60, 2**60) + packed("k") + struct.pack("<IIQ", 9, 8, 2**62))
    with pytest.raises(ModelError, match="cut off"):
        read_header(path)
