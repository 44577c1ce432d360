"""Copies of a GGUF file in which a few fields or tensors are different."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gguf import GGUFReader, GGUFValueType, GGUFWriter

COMPUTED = ("GGUF.", "general.architecture")
"""Fields that the writer writes by itself."""


@dataclass(frozen=True)
class Added:
    """A tensor that the file lacks: its numbers, or its bytes, and its type."""

    data: Any
    kind: Any


def edited(
    source: Path,
    target: Path,
    *,
    fields: Mapping[str, Any] | None = None,
    tensors: Mapping[str, Any] | None = None,
    names: Mapping[str, str] | None = None,
    added: Mapping[str, Added] | None = None,
    dropped: Sequence[str] = (),
) -> Path:
    """Writes `target`. `fields`: key → new value; of a key that the file lacks, a number is written as f32, a whole one
    as u32, a text as a string. `tensors`: name → its new bytes or numbers, in the shape in which the reader gives them.
    `names`: of a tensor → that of the tensor whose content takes its place. `added`: tensors that come besides;
    `dropped`: those that are left out."""
    reader = GGUFReader(source)
    contents = {tensor.name: tensor for tensor in reader.tensors}
    changed, replaced, moved = dict(fields or {}), dict(tensors or {}), dict(names or {})
    assert {*replaced, *moved, *dropped} <= contents.keys(), "the file lacks a tensor that is to be changed"
    writer = GGUFWriter(target, reader.fields["general.architecture"].contents())
    for key, held in reader.fields.items():
        # The writer knows no empty list.
        if key.startswith(COMPUTED) or (key not in changed and held.contents() == []):
            continue
        kind, *inner = held.types
        writer.add_key_value(key, changed.pop(key, held.contents()), kind, inner[-1] if inner else None)
    for key, value in changed.items():
        writer.add_key_value(key, value, _kind_of(value))
    for name in contents:
        if name not in dropped:
            tensor = contents[moved.get(name, name)]
            writer.add_tensor(name, replaced.get(name, tensor.data), raw_dtype=tensor.tensor_type)
    for name, new in (added or {}).items():
        writer.add_tensor(name, new.data, raw_dtype=new.kind)
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
