"""The header of a GGUF file: its metadata, as MLX's reader gives them or read here, and where each tensor is."""

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


def read_metadata(path: str) -> dict[str, Any]:
    """The key-value pairs of a GGUF header."""
    with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        header = Header(data)
        _magic, _version, _tensors, keys = (header.number(form) for form in "IIQQ")
        return {header.text(): header.value(header.number("I")) for _ in range(keys)}


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
    FORMS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}  # noqa: RUF012

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.at = 0

    def number(self, form: str) -> int:
        value: int = struct.unpack_from(f"<{form}", self.data, self.at)[0]
        self.at += struct.calcsize(f"<{form}")
        return value

    def value(self, kind: int) -> Any:
        """A metadata value of that type."""
        if kind == self.STRING:
            return self.text()
        if kind != self.ARRAY:
            return self.number(self.FORMS[kind])
        item, count = self.number("I"), self.number("Q")
        if item not in self.FORMS:
            return [self.value(item) for _ in range(count)]
        form = f"<{count}{self.FORMS[item]}"
        values = list(struct.unpack_from(form, self.data, self.at))
        self.at += struct.calcsize(form)
        return values

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
            if item in self.FORMS:
                self.at += struct.calcsize(f"<{self.FORMS[item]}") * count
            else:
                for _ in range(count):
                    self.skip(item)
        else:
            self.at += struct.calcsize(f"<{self.FORMS[kind]}")
