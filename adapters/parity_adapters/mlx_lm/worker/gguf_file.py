"""The header of a GGUF file: its metadata, as MLX's reader gives them, and where each tensor is."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Metadata:
    """The key-value pairs of a GGUF header as Python values."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self._raw = raw
        self.architecture = str(raw.get("general.architecture"))

    def get(self, key: str, default: Any = None) -> Any:
        value = self._raw.get(key, default)
        return value.tolist() if hasattr(value, "tolist") else value

    def under(self, prefix: str) -> dict[str, Any]:
        """The keys that begin with `prefix`, without it."""
        return {key[len(prefix) :]: self.get(key) for key in self._raw if key.startswith(prefix)}

    def token(self, name: str) -> int | None:
        """The id of a special token, such as `bos`."""
        named = {"bos": "bos_token_id", "eos": "eos_token_id"}.get(name, f"{name}_token_id")
        return self.get(f"tokenizer.ggml.{named}")  # type: ignore[no-any-return]


def gguf_tensors(path: str) -> Iterator[tuple[str, int, tuple[int, ...], int]]:
    """Name, type code, shape (fastest dimension first) and place in the file of each tensor of a GGUF file."""
    with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        header = Header(data)
        _magic, _version, tensors, keys = (header.number(form) for form in "IIQQ")
        alignment = 32
        for _ in range(keys):
            if header.text() == "general.alignment":
                _kind, alignment = header.number("I"), header.number("I")
            else:
                header.skip(header.number("I"))
        found = []
        for _ in range(tensors):
            name = header.text()
            shape = tuple(header.number("Q") for _ in range(header.number("I")))
            found.append((name, header.number("I"), shape, header.number("Q")))
        start = -(-header.at // alignment) * alignment
    for name, kind, shape, offset in found:
        yield name, kind, shape, start + offset


class Header:
    """Reads a GGUF header from front to back; `at` is where the next item begins."""

    STRING, ARRAY = 8, 9
    SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # noqa: RUF012

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.at = 0

    def number(self, form: str) -> int:
        value: int = struct.unpack_from(f"<{form}", self.data, self.at)[0]
        self.at += struct.calcsize(form)
        return value

    def text(self) -> str:
        size = self.number("Q")
        self.at += size
        return self.data[self.at - size : self.at].decode("utf-8", errors="replace")

    def skip(self, kind: int) -> None:
        """Passes over a metadata value of that type."""
        if kind == self.STRING:
            self.text()
        elif kind == self.ARRAY:
            item, count = self.number("I"), self.number("Q")
            if item in self.SIZES:
                self.at += self.SIZES[item] * count
            else:
                for _ in range(count):
                    self.skip(item)
        else:
            self.at += self.SIZES[kind]
