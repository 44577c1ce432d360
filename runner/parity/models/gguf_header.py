"""The header of a GGUF file, read with every bound checked.

The `gguf` package's own reader maps the file and trusts it: a cut file gives an obscure error or none, and a
vocabulary of 150,000 entries takes it seconds. What is used of it here are its tables of tensor types.
Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import struct
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any, Final

from parity.errors import ModelError

MAGIC: Final = b"GGUF"
VERSIONS: Final = (2, 3)
MOST_DIMENSIONS: Final = 4
DEFAULT_ALIGNMENT: Final = 32
LONGEST_STRING_BYTES: Final = 64 * 1024 * 1024
LONGEST_NAME_BYTES: Final = 65_535
"""Of a key, as the format says, and of a tensor's name."""
LONGEST_KEPT_BYTES: Final = 1024 * 1024
"""Of a string value; a longer one, such as a whole tokenizer.json, is left in the file."""
MOST_KEPT_BYTES: Final = 32 * 1024 * 1024
"""Of all names and string values together."""
MOST_ELEMENTS_A_BYTE: Final = 16
"""Of any tensor type."""
MOST_KEYS: Final = 65_536
MOST_TENSORS: Final = 65_536
MOST_ITEMS: Final = 4 * 1024 * 1024
"""Of an array that is read, and of all arrays of strings together: several times the largest vocabularies."""

FOREIGN_STARTS: Final = (
    (
        b"version https://git-lfs",
        "a Git LFS pointer, not the file that it points to",
        "run `git lfs pull` in its repository",
    ),
    (b"lmgg", "of the old GGML format", "convert it to GGUF"),
    (b"tjgg", "of the old GGJT format", "convert it to GGUF"),
    (
        b"PK\x03\x04",
        "a zip archive (a PyTorch checkpoint, perhaps)",
        "give a GGUF file or a folder with *.safetensors",
    ),
    (b"<", "a web page or XML", "fetch the file itself, not the page about it"),
)
REFETCH: Final = "fetch the file again, or name a different one"
MOST_ITEM_BYTES: Final = 256 * 1024 * 1024
"""Of all arrays of strings together."""
_SCALARS: Final = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_STRING: Final = 8
_ARRAY: Final = 9


@dataclass(frozen=True, slots=True)
class Array:
    """An array value, left in the file: the type of its items, how many there are, and where the first one is."""

    kind: int
    length: int
    position: int


@dataclass(frozen=True, slots=True)
class LongString:
    """A string value, left in the file because it is long."""

    length: int

    def __str__(self) -> str:
        return f"a string of {self.length} bytes"


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor as the header lists it. `shape`: fastest dimension first; `offset`: from `data_start`."""

    name: str
    shape: tuple[int, ...]
    type_id: int
    offset: int

    @property
    def elements(self) -> int:
        count = 1
        for extent in self.shape:
            count *= extent
        return count


@dataclass(frozen=True)
class Header:
    """Keys and values (strings as bytes, or as `LongString`), tensors, and where the tensor data begins in the file.
    `entries`: key → where its entry, which is the key and its value, begins and ends in the file."""

    version: int
    values: dict[str, Any]
    tensors: tuple[TensorInfo, ...]
    data_start: int
    entries: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def alignment(self) -> int:
        """Bytes to a multiple of which the data of each tensor are padded."""
        return int(self.values.get("general.alignment", DEFAULT_ALIGNMENT))


def read_header(path: Path) -> Header:
    """Reads the header and checks that the file holds the data of every tensor that it lists.

    Raises:
        ModelError: the file is empty, cut, foreign or damaged, or of a version or type that isn't known here.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            header = _Reader(path, stream, size).header()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}", "make the file readable") from error
    _check_extents(path, header, size)
    return header


def read_array(path: Path, array: Array) -> list[Any]:
    """The items of an array that `read_header` found in the file at `path`; strings as text.

    Raises:
        ModelError: the file isn't what it was, or a string is not UTF-8.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            reader = _Reader(path, stream, size)
            reader.skip(array.position)
            return reader.items(array)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}", "make the file readable") from error


class _Reader:
    """A position in the file that never goes past its end."""

    def __init__(self, path: Path, stream: BufferedReader, size: int) -> None:
        self.path = path
        self.stream = stream
        self.left = size
        self.position = 0
        self.room_bytes = MOST_KEPT_BYTES
        self.room_items = MOST_ITEMS
        self.room_item_bytes = MOST_ITEM_BYTES

    def header(self) -> Header:
        version = self.opening()
        tensor_count, value_count = self.scalar("<Q"), self.scalar("<Q")
        if tensor_count > MOST_TENSORS or value_count > MOST_KEYS:
            raise self.damaged(f"{tensor_count} tensors and {value_count} keys")
        values: dict[str, Any] = {}
        entries: dict[str, tuple[int, int]] = {}
        for _ in range(value_count):
            begin = self.position
            key = self.name("key")
            if key in values:
                raise self.damaged(f"the key {key} occurs twice")
            values[key] = self.value(self.scalar("<I"))
            entries[key] = begin, self.position
        tensors = tuple(self.tensor() for _ in range(tensor_count))
        if len({tensor.name for tensor in tensors}) != len(tensors):
            raise self.damaged("two tensors have the same name")
        alignment = values.get("general.alignment", DEFAULT_ALIGNMENT)
        if not isinstance(alignment, int) or alignment <= 0 or alignment & (alignment - 1):
            raise self.damaged(f"general.alignment is {alignment!r}, not a power of two")
        return Header(version, values, tensors, -(-self.position // alignment) * alignment, entries)

    def opening(self) -> int:
        if self.left == 0:
            raise ModelError(f"{self.path}: the file is empty", REFETCH)
        start = self.stream.peek(32)[:32]
        if not start.startswith(MAGIC[: len(start)]):
            raise _foreign(self.path, start)
        self.take(len(MAGIC))
        version: int = self.scalar("<I")
        if version & 0xFFFF == 0 and version:
            raise ModelError(f"{self.path}: a big-endian GGUF file", "name the little-endian file of this model")
        if version not in VERSIONS:
            raise ModelError(
                f"{self.path}: GGUF version {version}, but parity reads only 2 and 3", "convert the model again"
            )
        return version

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise self.cut()
        data = self.stream.read(count)
        if len(data) != count:
            raise self.cut()
        self.left -= count
        self.position += count
        return data

    def scalar(self, layout: str) -> Any:
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def length(self, most: int) -> int:
        length: int = self.scalar("<Q")
        if most < length <= self.left:
            raise self.damaged(f"a string of {length} bytes")
        return length

    def string(self) -> bytes | LongString:
        length = self.length(LONGEST_STRING_BYTES)
        if length > LONGEST_KEPT_BYTES:
            self.skip(length)
            return LongString(length)
        return self.kept(length)

    def kept(self, length: int) -> bytes:
        self.room_bytes -= length
        if self.room_bytes < 0:
            raise self.damaged(f"names and strings of more than {MOST_KEPT_BYTES} bytes together")
        return self.take(length)

    def name(self, what: str) -> str:
        return self.text(self.kept(self.length(LONGEST_NAME_BYTES)), what)

    def text(self, raw: bytes, what: str) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.damaged(f"a {what} is not UTF-8: {raw[:40]!r}") from error

    def value(self, kind: int) -> Any:
        if kind in _SCALARS:
            return self.scalar(_SCALARS[kind])
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            return self.array()
        raise self.damaged(f"a value of unknown type {kind}")

    def array(self) -> Array:
        kind, length = self.scalar("<I"), self.scalar("<Q")
        position = self.position
        if kind == _STRING:
            self.room_items -= length
            if self.room_items < 0 and length <= self.left:
                raise self.damaged(f"arrays of more than {MOST_ITEMS} strings together")
            for _ in range(length):
                size = self.length(LONGEST_NAME_BYTES)
                self.room_item_bytes -= size
                self.skip(size)
            if self.room_item_bytes < 0:
                raise self.damaged(f"arrays of more than {MOST_ITEM_BYTES} bytes of strings together")
        elif kind in _SCALARS:
            self.skip(length * struct.calcsize(_SCALARS[kind]))
        else:
            raise self.damaged(f"an array of type {kind}")
        return Array(kind, length, position)

    def items(self, array: Array) -> list[Any]:
        if array.length > MOST_ITEMS:
            raise self.damaged(f"an array of {array.length} items")
        if array.kind == _STRING:
            return [self.text(self.take(self.length(LONGEST_NAME_BYTES)), "string") for _ in range(array.length)]
        layout = _SCALARS[array.kind]
        data = self.take(array.length * struct.calcsize(layout))
        return list(struct.unpack(f"<{array.length}{layout[1]}", data))

    def skip(self, count: int) -> None:
        if count > self.left:
            raise self.cut()
        self.stream.seek(count, 1)
        self.left -= count
        self.position += count

    def tensor(self) -> TensorInfo:
        name = self.name("tensor's name")
        dimensions = self.scalar("<I")
        if not 1 <= dimensions <= MOST_DIMENSIONS:
            raise self.damaged(f"the tensor {name} has {dimensions} dimensions")
        shape = tuple(self.scalar("<Q") for _ in range(dimensions))
        if 0 in shape:
            raise self.damaged(f"the tensor {name} is empty")
        return TensorInfo(name, shape, self.scalar("<I"), self.scalar("<Q"))

    def cut(self) -> ModelError:
        return ModelError(
            f"{self.path}: the file is cut off inside its header, at byte {self.position + self.left}",
            REFETCH,
        )

    def damaged(self, what: str) -> ModelError:
        return ModelError(f"{self.path}: a damaged GGUF header near byte {self.position}: {what}", REFETCH)


def tensor_type(type_id: int) -> tuple[str, int, int] | None:
    """Name of a tensor type, elements in a block, and bytes in a block; None for one that isn't known."""
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    try:
        known = GGMLQuantizationType(type_id)
    except ValueError:
        return None
    elements, size_bytes = GGML_QUANT_SIZES[known]
    return known.name, elements, size_bytes


def type_name(type_id: int) -> str:
    """Name of a tensor type: `Q4_K`, or `156` for one that isn't known here."""
    known = tensor_type(type_id)
    return str(type_id) if known is None else known[0]


def _check_extents(path: Path, header: Header, size: int) -> None:
    """Of a type that isn't known here, only the runtimes that can read it know how long its data are."""
    for tensor in header.tensors:
        known = tensor_type(tensor.type_id)
        if known is None:
            data_bytes = tensor.elements // MOST_ELEMENTS_A_BYTE
        else:
            _, block_elements, block_bytes = known
            if tensor.shape[0] % block_elements:
                wrong = f"{path}: a row of {tensor.name} ({tensor.shape[0]} elements) is not a whole number of blocks"
                raise ModelError(wrong, REFETCH)
            data_bytes = tensor.elements // block_elements * block_bytes
        end = header.data_start + tensor.offset + data_bytes
        if end > size:
            wrong = f"{path}: the file is cut off at byte {size}: the data of {tensor.name} ends at byte {end}"
            raise ModelError(wrong, REFETCH)


def _foreign(path: Path, start: bytes) -> ModelError:
    for prefix, what, remedy in FOREIGN_STARTS:
        if start.lstrip().startswith(prefix):
            return ModelError(f"{path}: {what}", remedy)
    if start[8:10] == b'{"':
        return ModelError(
            f"{path}: a safetensors file", "name the folder that holds it, with its config.json and tokenizer"
        )
    return ModelError(
        f"{path}: not a GGUF file (it begins with {start[:8]!r})",
        "name a GGUF file, or a folder with config.json and *.safetensors",
    )
