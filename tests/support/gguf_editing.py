"""Copies of a GGUF file in which a few fields or tensors are different."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gguf import GGUFReader, GGUFValueType, GGUFWriter

COMPUTED = ("GGUF.", "general.architecture")
"""Fields that the writer writes by itself."""


def edited(
    source: Path,
    target: Path,
    *,
    fields: Mapping[str, Any] | None = None,
    tensors: Mapping[str, Any] | None = None,
    names: Mapping[str, str] | None = None,
) -> Path:
    """Writes `target`. `fields`: key → new value; of a key that the file lacks, a number is written as f32, a whole one
    as u32, a text as a string. `tensors`: name → its new bytes or numbers, in the shape in which the reader gives them.
    `names`: of a tensor → that of the tensor whose content takes its place."""
    reader = GGUFReader(source)
    contents = {tensor.name: tensor for tensor in reader.tensors}
    changed, replaced, moved = dict(fields or {}), dict(tensors or {}), dict(names or {})
    assert {*replaced, *moved} <= contents.keys(), "the file lacks a tensor that is to be changed"
    writer = GGUFWriter(target, reader.fields["general.architecture"].contents())
    for key, field in reader.fields.items():
        if key.startswith(COMPUTED):
            continue
        kind, *inner = field.types
        writer.add_key_value(key, changed.pop(key, field.contents()), kind, inner[-1] if inner else None)
    for key, value in changed.items():
        writer.add_key_value(key, value, _kind_of(value))
    for name in contents:
        held = contents[moved.get(name, name)]
        writer.add_tensor(name, replaced.get(name, held.data), raw_dtype=held.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def _kind_of(value: object) -> Any:
    kinds = {
        bool: GGUFValueType.BOOL,
        int: GGUFValueType.UINT32,
        float: GGUFValueType.FLOAT32,
        str: GGUFValueType.STRING,
    }
    return kinds[type(value)]
