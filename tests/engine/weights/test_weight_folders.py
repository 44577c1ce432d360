"""Folders of safetensors."""

import hashlib
import json
import struct
from pathlib import Path

import pytest
from model_files import CONFIG, LAYERS, QUANTISED, facts_of, model_folder, safetensors_bytes

from parity.errors import ModelError


def test_facts_of_a_quantised_folder(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "mlx", CONFIG | {"quantization": QUANTISED}, LAYERS)
    facts = facts_of(folder)
    assert (facts.format, facts.architecture, facts.context_length, facts.vocab_size) == (
        "folder",
        "qwen3",
        128,
        40,
    )
    assert facts.tokenizer == "Qwen2Tokenizer"
    assert facts.parameters == 128 + 40 * 128
    assert facts.quantisation == {"BF16": 1, "4-bit/64": 1}
    assert facts.chat_template_sha256 == hashlib.sha256(b"{{ messages }}").hexdigest()


def test_packed_weights_that_the_config_does_not_explain_have_no_parameter_count(tmp_path: Path) -> None:
    facts = facts_of(model_folder(tmp_path / "awq", CONFIG, LAYERS))
    assert facts.parameters is None
    assert facts.quantisation == {"BF16": 1, "U32": 1}


def test_hash_of_a_folder_is_of_what_sha256sum_prints_for_its_model_files(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "mlx", CONFIG, LAYERS)
    names = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
    listing = "".join(f"{hashlib.sha256((folder / n).read_bytes()).hexdigest()}  {n}\n" for n in names)
    before = facts_of(folder)
    assert before.sha256 == hashlib.sha256(listing.encode()).hexdigest()
    assert before.size_bytes == sum((folder / name).stat().st_size for name in names)
    (folder / "README.md").write_text("changed")
    assert facts_of(folder).sha256 == before.sha256
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"type": "Unigram"}}))
    assert facts_of(folder).sha256 != before.sha256


def test_folder_with_an_index_needs_every_part_that_it_lists(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "hf", CONFIG, {"a.weight": ("F32", [2, 3])})
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    index = {
        "weight_map": {
            "a.weight": "model-00001-of-00002.safetensors",
            "b.weight": "model-00002-of-00002.safetensors",
        }
    }
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="without model-00002-of-00002"):
        facts_of(folder)
    (folder / "model-00002-of-00002.safetensors").write_bytes(safetensors_bytes({"b.weight": ("F16", [5])}))
    assert facts_of(folder).parameters == 11


def test_a_folder_with_a_part_of_several_and_no_index_needs_all_of_them(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "hf", CONFIG, {"a.weight": ("F32", [2, 3])})
    (folder / "model.safetensors").rename(folder / "model-00002-of-00003.safetensors")
    with pytest.raises(ModelError, match="without model-00001-of-00003"):
        facts_of(folder)
    for part in (1, 3):
        tensors: dict[str, tuple[str, list[int]]] = {f"{part}.weight": ("F16", [5])}
        (folder / f"model-0000{part}-of-00003.safetensors").write_bytes(safetensors_bytes(tensors))
    assert facts_of(folder).parameters == 16


def test_a_folder_needs_a_tokenizer_of_any_kind(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "hf", CONFIG, LAYERS)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="without a tokenizer"):
        facts_of(folder)
    for name in ("tokenizer.model", "tekken.json", "vocab.json", "qwen.tiktoken"):
        (folder / name).write_text("{}")
        assert facts_of(folder).format == "folder"
        (folder / name).unlink()


@pytest.mark.slow
def test_every_truncation_of_a_folders_weights_is_refused(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "hf", CONFIG, {"a.weight": ("F32", [2, 3])})
    whole = (folder / "model.safetensors").read_bytes()
    for length in range(len(whole)):
        (folder / "model.safetensors").write_bytes(whole[:length])
        with pytest.raises(ModelError, match="cut off"):
            facts_of(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b"{"),
        ("config.json", b"[]"),
        ("tokenizer_config.json", b"\xff"),
        ("model.safetensors.index.json", b'{"weight_map": {"a": "../../etc/passwd"}}'),
        ("model.safetensors", b"\xff" * 100),
        ("model.safetensors", struct.pack("<Q", 8) + b'{"a": 1}'),
        ("model.safetensors", struct.pack("<Q", 2) + b"[]"),
        *(
            ("model.safetensors", struct.pack("<Q", len(header)) + header)
            for header in (
                b'{"a": {"dtype": "F32", "shape": [1e999], "data_offsets": [0, 4]}}',
                b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 1e999]}}',
                b'{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}',
                b'{"a": {"dtype": "F32", "shape": [' + b"9," * 50_000 + b'9], "data_offsets": [0, 4]}}',
                b"[" * 100_000,
            )
        ),
    ],
)
def test_damaged_file_of_a_folder_is_refused_by_name(tmp_path: Path, name: str, content: bytes) -> None:
    folder = model_folder(tmp_path / "hf", CONFIG, LAYERS)
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError) as caught:
        facts_of(folder)
    assert name in caught.value.wrong
