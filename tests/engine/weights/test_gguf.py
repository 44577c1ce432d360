"""Headers of GGUF files: what they say, and that whatever makes one unusable is one clear error."""

import hashlib
import struct
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_files import F32, LAYERS, Q8_0, VALUES, facts_of, gguf_bytes, packed, safetensors_bytes
from runs import MODEL

from parity.errors import ModelError
from parity.models import parse_source, silent
from parity.models.exact_cache import NoExactError, exact_model
from parity.models.gguf_header import read_array, read_header, tensor_type
from parity.models.inspect import inspect_gguf
from parity.models.template import chat_turn


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
        (gguf_bytes(values={"split.count": 3, "split.no": 1}), "part 2 of a model split into 3 files"),
        (gguf_bytes(values={"split.count": 3, "split.no": 2}, tensors=[]), "part 3 of a model split into 3 files"),
        (gguf_bytes(values=VALUES | {"general.alignment": 24}), "alignment"),
        (
            gguf_bytes(tensors=[("t", (32,), 4000)]).replace(struct.pack("<IQ", 1, 32), struct.pack("<IQ", 1, 2**40)),
            "the data of t ends at byte",
        ),
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


@pytest.mark.parametrize("type_id", [4, 5, 31, 36, 156, 4000])
def test_a_tensor_type_that_is_not_known_here_is_a_fact_and_for_runtimes_to_judge(tmp_path: Path, type_id: int) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf_bytes(tensors=[("a", (32,), type_id), ("b", (32,), Q8_0)]))
    facts = facts_of(path)
    assert facts.quantisation == {str(type_id): 1, "Q8_0": 1}
    with pytest.raises(NoExactError, match=f"its tensors of type {type_id} can't be dequantised"):
        exact_model(facts, tmp_path / "cache", silent)


def test_a_long_string_is_left_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    long = {
        "tokenizer.huggingface.json": "x" * 2**21,
        "llama.long": "y" * 2**21,
        "tokenizer.chat_template": "z" * 2**21,
    }
    path.write_bytes(gguf_bytes({**VALUES, **long}))
    header = read_header(path)
    assert str(header.values["tokenizer.huggingface.json"]) == "a string of 2097152 bytes"
    facts = facts_of(path)
    assert facts.architecture_keys["llama.long"] == "a string of 2097152 bytes"
    with pytest.raises(ModelError, match="its chat template is a string of 2097152 bytes"):
        chat_turn(facts, "hi")


def sparse(path: Path, start: bytes, size: int) -> Path:
    path.write_bytes(start)
    with path.open("r+b") as file:
        file.truncate(size)
    return path


OPENING = struct.pack("<4sIQQ", b"GGUF", 3, 0, 1) + packed("k")


@pytest.mark.parametrize(
    ("start", "wrong"),
    [
        (OPENING + struct.pack("<IIQ", 9, 8, 2**28), "arrays of more than 4194304 strings together"),
        (OPENING + struct.pack("<IQ", 8, 60_000_000) + b"x", "without weights"),
        (OPENING + struct.pack("<IQ", 8, 100_000_000) + b"x", "a string of 100000000 bytes"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 0, 2**30), "1073741824 keys"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 2**30, 0), "1073741824 tensors"),
        (struct.pack("<4sIQQQ", b"GGUF", 3, 0, 1, 2**20), "a string of 1048576 bytes"),
    ],
)
def test_a_large_header_is_refused_in_a_moment(tmp_path: Path, start: bytes, wrong: str) -> None:
    path = sparse(tmp_path / "m.gguf", start, 2 * 1024**3)
    begun = time.process_time()
    with pytest.raises(ModelError, match=wrong):
        inspect_gguf(path)
    assert time.process_time() - begun < 5


def test_an_array_that_is_read_is_bounded(tmp_path: Path) -> None:
    path = sparse(tmp_path / "m.gguf", OPENING + struct.pack("<IIQ", 9, 0, 2**30), 2 * 1024**3)
    with pytest.raises(ModelError, match="an array of 1073741824 items"):
        read_array(path, read_header(path).values["k"])


def test_huge_counts_in_a_small_header_end_at_once(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(struct.pack("<4sIQQ", b"GGUF", 3, 2, 5) + packed("k") + struct.pack("<IIQ", 9, 8, 2**62))
    with pytest.raises(ModelError, match="cut off"):
        read_header(path)
