"""What a file is that was given for a text file and is none: its first bytes say, or what lies beside them."""

import struct
from pathlib import Path

GGUF = "a GGUF model"

_MAGIC = {
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
    b"\x7fELF": "a program",
    b"\xcf\xfa\xed\xfe": "a program",
    b"%PDF": "a PDF file",
    b"\x89PNG": "an image",
    b"SQLite format 3": "a SQLite database",
}
_LARGEST_HEADER = 1 << 30
"""Bytes of the JSON at the start of a safetensors file."""


def model_in(start: bytes) -> str | None:
    """The format of a model by the first bytes of its file; None for anything else."""
    if start.startswith(b"GGUF"):
        return GGUF
    # https://huggingface.co/docs/safetensors: the length of a JSON object in 8 bytes, then the object.
    if len(start) > 9 and start[8:9] == b"{" and struct.unpack("<Q", start[:8])[0] < _LARGEST_HEADER:
        return "a safetensors model"
    return None


def kind_of(start: bytes) -> str | None:
    """What a file is by its first bytes; None where they don't say."""
    return next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)


def folder_kind(path: Path) -> tuple[str, str] | None:
    """What a folder is, and what to do with it; None where nothing in it says."""
    if (path / "run.json").is_file():
        return "is a run folder", f"`parity report {path}` prints its report, `parity run --resume {path}` goes on"
    if (path / "config.json").is_file() and any(path.glob("*.safetensors")):
        return "is the folder of a model", named_as_model(path)
    return None


def named_as_model(path: Path) -> str:
    """How a config names a model, as TOML to be pasted."""
    source = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'name it in a config:\n[[models]]\nname = "model"\nsource = "{source}"'


def other_format(text: str) -> str | None:
    """The format of a text that is no TOML, where its first lines show it."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        return None
    if lines[0].lstrip().startswith(("{", '[{"', "[\n")):
        return "JSON"
    if lines[0].startswith("---") or all(":" in line and "=" not in line for line in lines[:2]):
        return "YAML"
    return None
