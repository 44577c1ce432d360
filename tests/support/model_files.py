"""Small GGUF files and model folders, written byte by byte."""

import json
import struct
from pathlib import Path
from typing import Any

from parity.models import model_facts
from parity.records import ModelFacts

COMMIT = "0123456789abcdef0123456789abcdef01234567"


F32, Q8_0 = 0, 8


def facts_of(source: str | Path, **options: Any) -> ModelFacts:
    return model_facts("m", "M", str(source), base=Path("/nowhere"), **options)


def packed(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(raw)) + raw


def value(content: Any) -> bytes:
    if isinstance(content, bool):
        return struct.pack("<I?", 7, content)
    if isinstance(content, int):
        return struct.pack("<II", 4, content)
    if isinstance(content, list):
        return struct.pack("<IIQ", 9, 8, len(content)) + b"".join(map(packed, content))
    return struct.pack("<I", 8) + packed(content)


VALUES: dict[str, Any] = {
    "general.architecture": "llama",
    "llama.context_length": 64,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "qwen2",
    "tokenizer.ggml.tokens": ["a", "b", "ab"],
    "tokenizer.chat_template": "{{ messages }}",
}


TENSORS = [("token_embd.weight", (32, 3), Q8_0), ("output_norm.weight", (32,), F32)]


def gguf_bytes(
    values: dict[str, Any] | None = None,
    tensors: list[tuple[str, tuple[int, ...], int]] | None = None,
    version: int = 3,
) -> bytes:
    values, tensors = VALUES if values is None else values, TENSORS if tensors is None else tensors
    header = struct.pack("<4sIQQ", b"GGUF", version, len(tensors), len(values))
    header += b"".join(packed(key) + value(content) for key, content in values.items())
    data = b""
    for name, shape, kind in tensors:
        header += packed(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, len(data))
        elements = 1
        for extent in shape:
            elements *= extent
        size = elements * 4 if kind == F32 else elements // 32 * 34
        data += bytes(-(-size // 32) * 32)
    return header + bytes(-len(header) % 32) + data


def safetensors_bytes(tensors: dict[str, tuple[str, list[int]]]) -> bytes:
    size = {"F32": 4, "U32": 4, "F16": 2, "BF16": 2, "I32": 4}
    entries: dict[str, Any] = {"__metadata__": {"format": "mlx"}}
    end = 0
    for name, (dtype, shape) in tensors.items():
        begin, end = end, end + size[dtype] * _product(shape)
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    raw = json.dumps(entries).encode()
    return struct.pack("<Q", len(raw)) + raw + bytes(end)


def _product(shape: list[int]) -> int:
    count = 1
    for extent in shape:
        count *= extent
    return count


CONFIG = {"model_type": "qwen3", "max_position_embeddings": 128, "vocab_size": 40}


QUANTISED = {"group_size": 64, "bits": 4}


LAYERS: dict[str, tuple[str, list[int]]] = {
    "model.norm.weight": ("BF16", [128]),
    "model.layers.0.q.weight": ("U32", [40, 16]),
    "model.layers.0.q.scales": ("BF16", [40, 2]),
    "model.layers.0.q.biases": ("BF16", [40, 2]),
}


def model_folder(path: Path, config: dict[str, Any], tensors: dict[str, tuple[str, list[int]]]) -> Path:
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps(config))
    (path / "model.safetensors").write_bytes(safetensors_bytes(tensors))
    (path / "tokenizer.json").write_text(json.dumps({"model": {"type": "BPE"}}))
    (path / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "Qwen2Tokenizer", "chat_template": "{{ messages }}"})
    )
    (path / "README.md").write_text("not part of the model")
    return path
