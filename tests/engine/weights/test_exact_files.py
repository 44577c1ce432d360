"""The F32 file of a model: right to the last bit, made once, checked whenever it is used, and left out where it does
not fit."""

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType, quants
from model_files import CONFIG, LAYERS, facts_of, model_folder

from parity.cache import alone
from parity.models import Step, file_sha256, silent
from parity.models.exact import exact_bytes, not_dequantised, write_exact
from parity.models.exact_cache import DISK_MARGIN, NoExactError, Room, exact_model, memory_bytes
from parity.models.gguf_header import read_header
from parity.records import ModelFacts

ROWS, COLUMNS = 5, 512
BY_NUMPY = ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")
BY_BLOCKS = ("Q4_K", "Q5_K", "Q6_K")
"""`gguf` can't quantise to these; any bytes with finite scales are blocks of them."""
PLENTY = Room(disk_bytes=1 << 40, memory_bytes=1 << 40)
TOKENS = ["a", "b", "ab", "é", "\n"]


def packed_rows(kind: str) -> np.ndarray:
    """Five rows of 512 numbers in a type, as bytes; the same each time."""
    random = np.random.default_rng(3)
    if kind in BY_NUMPY:
        values = random.standard_normal((ROWS, COLUMNS)).astype(np.float32)
        return np.asarray(quants.quantize(values, GGMLQuantizationType[kind])).view(np.uint8)
    _, size = gguf.GGML_QUANT_SIZES[GGMLQuantizationType[kind]]
    blocks = random.integers(0, 256, (ROWS * COLUMNS // 256, size), dtype=np.uint8)
    scales = np.frombuffer(np.array([0.01, 0.002], dtype=np.float16).tobytes(), dtype=np.uint8)
    at = slice(size - 2, size) if kind == "Q6_K" else slice(0, 4)
    blocks[:, at] = scales[: at.stop - at.start]
    return blocks.reshape(ROWS, -1)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A file with a tensor of each type, and metadata of every kind."""
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("a model")
    writer.add_file_type(7)
    writer.add_quantization_version(2)
    writer.add_context_length(64)
    writer.add_float32("llama.rope.freq_base", 10000.5)
    writer.add_float64("llama.some_double", 0.1)
    writer.add_bool("llama.some_flag", True)
    writer.add_int8("llama.some_byte", -3)
    writer.add_uint64("llama.some_count", 1 << 40)
    writer.add_array("llama.some_numbers", [1, 2, 3])
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(TOKENS)
    writer.add_chat_template("{{ messages }} – ü")
    for kind in (*BY_NUMPY, *BY_BLOCKS):
        writer.add_tensor(f"of_{kind}.weight", packed_rows(kind), raw_dtype=GGMLQuantizationType[kind])
    writer.add_tensor("norm.weight", np.array([1.5, -0.0, np.float32(1e-42)], dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def made_from(model: Path, cache: Path, **options: Any) -> ModelFacts:
    return exact_model(facts_of(model), cache, silent, **{"room": lambda cache: PLENTY, **options})


@pytest.mark.parametrize("at_once", [1, 1000, 1 << 24])
def test_every_tensor_is_dequantised_to_the_bit(model: Path, tmp_path: Path, at_once: int) -> None:
    target = tmp_path / "exact.gguf"
    write_exact(model, target, silent, at_once=at_once)
    before, after = gguf.GGUFReader(model), gguf.GGUFReader(target)
    assert [t.name for t in after.tensors] == [t.name for t in before.tensors]
    for old, new in zip(before.tensors, after.tensors, strict=True):
        assert (new.tensor_type.name, list(new.shape)) == ("F32", list(old.shape))
        expected = quants.dequantize(old.data, old.tensor_type).astype(np.float32)
        assert new.data.tobytes() == expected.tobytes(), old.name
    assert np.unique(after.tensors[-2].data).size > 10, "the numbers of the last block type say something"


def test_the_numbers_are_those_that_the_types_define(model: Path, tmp_path: Path) -> None:
    """By the formulas of the format, apart from the `gguf` package: Q8_0 is d·q, Q4_1 is d·q + m."""
    target = tmp_path / "exact.gguf"
    write_exact(model, target, silent)
    found = {tensor.name: tensor.data.reshape(-1) for tensor in gguf.GGUFReader(target).tensors}
    q8 = packed_rows("Q8_0").reshape(-1, 34)
    for k, block in enumerate(q8[:40]):
        d = np.float32(struct.unpack("<e", block[:2].tobytes())[0])
        expected = [d * np.float32(np.int8(value)) for value in block[2:].view(np.int8)]
        assert found["of_Q8_0.weight"][32 * k : 32 * k + 32].tolist() == expected
    q4 = packed_rows("Q4_1").reshape(-1, 20)
    for k, block in enumerate(q4[:40]):
        d, m = (np.float32(value) for value in struct.unpack("<ee", block[:4].tobytes()))
        nibbles = [value & 15 for value in block[4:]] + [value >> 4 for value in block[4:]]
        expected = [d * np.float32(nibble) + m for nibble in nibbles]
        assert found["of_Q4_1.weight"][32 * k : 32 * k + 32].tolist() == expected
    assert found["norm.weight"].tobytes() == np.array([1.5, -0.0, np.float32(1e-42)], dtype=np.float32).tobytes()


def test_all_metadata_is_kept_but_what_names_the_quantisation(model: Path, tmp_path: Path) -> None:
    target = tmp_path / "exact.gguf"
    sha256 = write_exact(model, target, silent)
    assert sha256 == file_sha256(target, silent)
    before, after = gguf.GGUFReader(model).fields, gguf.GGUFReader(target).fields
    computed = {"GGUF.version", "GGUF.tensor_count", "GGUF.kv_count"}
    assert before.keys() - after.keys() == {"general.quantization_version"}
    changed = {key for key in after.keys() - computed if before[key].contents() != after[key].contents()}
    assert changed == {"general.file_type"}
    assert after["general.file_type"].contents() == 0
    assert all(before[key].types == after[key].types for key in after.keys() - computed)
    assert after["tokenizer.ggml.tokens"].contents() == TOKENS


def test_the_facts_are_those_of_the_f32_file(model: Path, tmp_path: Path) -> None:
    facts = facts_of(model)
    found = made_from(model, tmp_path / "cache")
    assert found.path == str(tmp_path / "cache" / f"{facts.sha256}.gguf")
    assert found.quantisation == {"F32": len(BY_NUMPY) + len(BY_BLOCKS) + 1}
    assert found.sha256 == file_sha256(Path(found.path), silent) != facts.sha256
    assert (found.name, found.title, found.architecture) == (facts.name, facts.title, facts.architecture)
    assert found.architecture_keys == facts.architecture_keys
    assert found.size_bytes <= exact_bytes(read_header(model)) <= found.size_bytes + 64


def test_it_is_made_once_and_again_where_it_is_not_what_was_written(model: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = made_from(model, cache)
    written = Path(first.path).stat().st_ino
    assert made_from(model, cache) == first
    assert Path(first.path).stat().st_ino == written, "it was not written a second time"
    with Path(first.path).open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"\1\2\3\4")
    assert made_from(model, cache) == first
    assert file_sha256(Path(first.path), silent, fresh=True) == first.sha256
    Path(first.path).unlink()
    assert made_from(model, cache) == first


def test_parts_that_a_killed_run_left_are_removed(model: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    sha256 = facts_of(model).sha256
    (cache / f".{sha256}.gguf.part-abc").write_bytes(b"half")
    (cache / f"{sha256}.gguf").write_bytes(b"of nobody knows whom")
    found = made_from(model, cache)
    assert not list(cache.glob("*part-*"))
    assert not list(cache.glob(".*part-*"))
    assert Path(found.path).stat().st_size == found.size_bytes > 1000


def test_parts_of_other_models_go_before_room_is_asked_for_unless_they_are_being_written(
    model: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    left, held = cache / ".killed.gguf.part-abc", cache / ".other.gguf.part-def"
    left.write_bytes(b"half")
    held.write_bytes(b"half")
    asked = []

    def room(folder: Path) -> Room:
        asked.append(left.exists())
        return PLENTY

    with alone(cache / "other.gguf"):
        exact_model(facts_of(model), cache, lambda step: None, room)
    assert asked == [True, False]
    assert held.exists()


def test_a_watch_that_stops_leaves_nothing_behind(model: Path, tmp_path: Path) -> None:
    class StopError(Exception):
        pass

    def watch(step: Step) -> None:
        if step.what.startswith("dequantising") and step.done > 10_000:
            raise StopError

    with pytest.raises(StopError):
        exact_model(facts_of(model), tmp_path / "cache", watch, lambda cache: PLENTY)
    left = [path.name for path in (tmp_path / "cache").iterdir() if not path.name.endswith(".lock")]
    assert left == []
    assert made_from(model, tmp_path / "cache").size_bytes > 1000


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ("disk_bytes", r"its F32 file needs .* bytes\) on the disk of .*, and .* bytes\) are free"),
        ("memory_bytes", r"computing with its F32 file needs 256.\d MiB .* of memory, and 256.\d MiB .* are available"),
    ],
)
def test_what_does_not_fit_is_not_made_and_the_figures_are_told(
    model: Path, tmp_path: Path, lacking: str, said: str
) -> None:
    header = read_header(model)
    just = Room(disk_bytes=round(DISK_MARGIN * exact_bytes(header)), memory_bytes=memory_bytes(header))
    less = replace(just, **{lacking: getattr(just, lacking) - 1})
    with pytest.raises(NoExactError, match=said):
        made_from(model, tmp_path / "cache", room=lambda cache: less)
    assert not list((tmp_path / "cache").glob("*.gguf"))
    assert made_from(model, tmp_path / "cache", room=lambda cache: just).size_bytes > 1000


def test_computing_needs_the_file_and_more_than_that_of_memory(model: Path) -> None:
    header = read_header(model)
    assert memory_bytes(header) == round(1.2 * exact_bytes(header)) + 2 * 4 * ROWS * COLUMNS + 256 * 1024**2


def test_a_file_that_is_there_needs_no_more_of_the_disk(model: Path, tmp_path: Path) -> None:
    first = made_from(model, tmp_path / "cache")
    assert made_from(model, tmp_path / "cache", room=lambda cache: Room(0, 1 << 40)) == first


def test_a_folder_has_none(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "folder", CONFIG, LAYERS)
    with pytest.raises(NoExactError, match=r"dequantised from a GGUF file, and .* is a folder"):
        made_from(folder, tmp_path / "cache")


def test_a_type_that_f32_cannot_hold_is_named(tmp_path: Path) -> None:
    path = tmp_path / "wide.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tensor("token_embd.weight", np.ones((2, 32), dtype=np.float64))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert not_dequantised(read_header(path)) == "F64"
    with pytest.raises(NoExactError, match="type F64 can't be dequantised"):
        made_from(path, tmp_path / "cache")


def test_a_model_that_changed_since_it_was_hashed_is_not_used(model: Path, tmp_path: Path) -> None:
    facts = facts_of(model).but(sha256="ab" * 32)
    with pytest.raises(NoExactError, match="was changed while it was dequantised"):
        exact_model(facts, tmp_path / "cache", silent, lambda cache: PLENTY)
    assert not list((tmp_path / "cache").glob("*.gguf"))
