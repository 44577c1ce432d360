"""Writes a GGUF file again with every tensor in F32: the same weights, dequantised as their types define it.

Metadata is copied byte by byte, but for the two keys that name the quantisation, and tensors of F32 are copied too. One
piece of a tensor is in memory at a time. `gguf` and NumPy are imported when they are needed.
"""

import hashlib
import os
import struct
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Final

from parity.errors import ModelError
from parity.models.gguf_header import MAGIC, Header, TensorInfo, read_header, tensor_type, type_name
from parity.models.progress import Step, Watch

FILE_TYPE: Final = "general.file_type"
QUANTISATION_VERSION: Final = "general.quantization_version"
F32: Final = 0
"""The number of the tensor type, and of the type of a file that has no other."""
PIECE_ELEMENTS: Final = 1 << 24
"""Of a tensor that are dequantised at once: 64 MiB of F32."""
GGUF_VERSION: Final = 3
_UINT32: Final = 4


def exact_bytes(header: Header) -> int:
    """The size of the file that `write_exact` makes of a file with this header; at most a few bytes too large."""
    return header.data_start + sum(_padded(4 * tensor.elements, header) for tensor in header.tensors)


def not_dequantised(header: Header) -> str | None:
    """The first tensor type of the file that can't be dequantised exactly to F32; None where there is none."""
    return next((name for name in map(_name, header.tensors) if not _is_known(name)), None)


def write_exact(source: Path, target: Path, watch: Watch, *, at_once: int = PIECE_ELEMENTS) -> str:
    """Writes the F32 file of the GGUF file `source` to `target`, and gives its sha256. `watch` may raise, to stop.
    `at_once`: how many elements of a tensor are dequantised together, at least a row of it.

    Raises:
        ModelError: the source is damaged, cut, or changed while it was read, or a type of it can't be dequantised.
        OSError: it can't be read, or the target can't be written.
    """
    header = read_header(source)
    if (unknown := not_dequantised(header)) is not None:
        raise ModelError(f"{source}: its tensors of type {unknown} can't be dequantised", "use a different file")
    digest = hashlib.sha256()
    done, total = 0, exact_bytes(header)
    with source.open("rb") as stored, target.open("wb") as out:
        for piece in _pieces(source, stored, header, at_once):
            digest.update(piece)
            done += out.write(piece)
            watch(Step(f"dequantising {source.name} to F32", done, total))
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


def _pieces(source: Path, stored: BufferedReader, header: Header, at_once: int) -> Iterator[bytes]:
    """The F32 file, one part after another."""
    head = _head(stored, header)
    yield head + bytes(-len(head) % header.alignment)
    for tensor in header.tensors:
        yield from _dequantised(source, stored, header, tensor, at_once)
        yield bytes(-4 * tensor.elements % header.alignment)


def _head(stored: BufferedReader, header: Header) -> bytes:
    """All that stands ahead of the tensors' data."""
    kept = [key for key in header.entries if key != QUANTISATION_VERSION]
    parts = [struct.pack("<4sIQQ", MAGIC, GGUF_VERSION, len(header.tensors), len(kept))]
    for key in kept:
        begin, end = header.entries[key]
        stored.seek(begin)
        entry = stored.read(end - begin)
        parts.append(_text(key) + struct.pack("<II", _UINT32, F32) if key == FILE_TYPE else entry)
    offset = 0
    for tensor in header.tensors:
        count = len(tensor.shape)
        parts.append(_text(tensor.name) + struct.pack(f"<I{count}QIQ", count, *tensor.shape, F32, offset))
        offset += _padded(4 * tensor.elements, header)
    return b"".join(parts)


def _dequantised(
    source: Path, stored: BufferedReader, header: Header, tensor: TensorInfo, at_once: int
) -> Iterator[bytes]:
    """The values of a tensor as little-endian F32, a few rows at a time."""
    import numpy as np
    from gguf import GGMLQuantizationType, quants

    _, block_elements, block_bytes = _type(tensor)
    length = tensor.shape[0]
    row_bytes = length // block_elements * block_bytes
    rows, step = tensor.elements // length, max(1, at_once // length)
    stored.seek(header.data_start + tensor.offset)
    for first in range(0, rows, step):
        count = min(step, rows - first)
        data = stored.read(count * row_bytes)
        if len(data) != count * row_bytes:
            raise ModelError(f"{source}: it was cut off while it was read", "wait for the program that writes it")
        packed = np.frombuffer(data, dtype=np.uint8).reshape(count, row_bytes)
        values = quants.dequantize(packed, GGMLQuantizationType(tensor.type_id))
        yield values.astype("<f4", copy=False).tobytes()


def _is_known(name: str) -> bool:
    """Whether a type is one that `gguf` dequantises. Integers and F64 are not: F32 can't hold all of them."""
    import numpy as np
    from gguf import GGMLQuantizationType, quants
    from gguf.constants import GGML_QUANT_SIZES

    if name not in GGMLQuantizationType.__members__:
        return False
    kind = GGMLQuantizationType[name]
    try:
        quants.dequantize(np.zeros((1, GGML_QUANT_SIZES[kind][1]), dtype=np.uint8), kind)
    except NotImplementedError:
        return False
    return True


def _type(tensor: TensorInfo) -> tuple[str, int, int]:
    known = tensor_type(tensor.type_id)
    assert known is not None, "what can't be dequantised was refused"
    return known


def _name(tensor: TensorInfo) -> str:
    return type_name(tensor.type_id)


def _text(text: str) -> bytes:
    raw = text.encode("utf-8")
    return struct.pack("<Q", len(raw)) + raw


def _padded(size: int, header: Header) -> int:
    return -(-size // header.alignment) * header.alignment
