"""Reads the facts of a model file or folder, once per content: they are kept in the cache beside the hash."""

import hashlib
import math
from collections import Counter
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from parity.cache import cache_folder, read_json, write_json
from parity.errors import ModelError
from parity.models.facts import SYNTHETIC_DESCRIPTION, Inspection
from parity.models.folder import inspect_folder
from parity.models.gguf_header import Array, read_array, read_header, type_name
from parity.records import Scalar

FACTS_VERSION: Final = 3
"""Raise it whenever a fact is read differently; older cached facts are then read again."""
LONGEST_ARRAY: Final = 128
LONGEST_TEXT: Final = 200


def inspect_model(path: Path, sha256: str) -> Inspection:
    """The facts of the model at `path`, whose content hash is `sha256`.

    Raises:
        ModelError: it is cut off, damaged, not a model, or without something that a model needs.
    """
    remembered = cache_folder() / "facts" / f"{sha256}.json"
    known = read_json(remembered)
    if isinstance(known, dict) and known.get("version") == FACTS_VERSION:
        try:
            return Inspection.model_validate(known.get("facts"))
        except ValidationError:
            pass
    facts = inspect_folder(path) if path.is_dir() else inspect_gguf(path)
    write_json(remembered, {"version": FACTS_VERSION, "facts": facts.model_dump(mode="json")})
    return facts


def inspect_gguf(path: Path) -> Inspection:
    """The facts of a GGUF file.

    Raises:
        ModelError: as `read_header`; or the file holds no whole language model.
    """
    header = read_header(path)
    values = header.values
    architecture = _text(values, "general.architecture")
    kind = _text(values, "general.type") or "model"
    if (parts := _count(values, "split.count") or 1) > 1:
        number = values.get("split.no")
        which = f"part {number + 1}" if isinstance(number, int) else "one part"
        raise ModelError(
            f"{path}: {which} of a model split into {parts} files",
            "join the parts into one file (gguf-split --merge) and name that",
        )
    if architecture is None or kind != "model" or not header.tensors:
        held = f"a GGUF file of type {kind}" if kind != "model" else "a GGUF file without weights or architecture"
        raise ModelError(f"{path}: {held}, not a model", "name the file that holds the model's weights")
    template = values.get("tokenizer.chat_template")
    tokens = values.get("tokenizer.ggml.tokens")
    return Inspection(
        format="gguf",
        architecture=architecture,
        parameters=sum(tensor.elements for tensor in header.tensors),
        quantisation=dict(sorted(Counter(type_name(tensor.type_id) for tensor in header.tensors).items())),
        context_length=_count(values, f"{architecture}.context_length"),
        tokenizer="/".join(filter(None, (_text(values, f"tokenizer.ggml.{key}") for key in ("model", "pre")))) or None,
        vocab_size=tokens.length if isinstance(tokens, Array) else _count(values, f"{architecture}.vocab_size"),
        chat_template_sha256=hashlib.sha256(template).hexdigest() if isinstance(template, bytes) else None,
        architecture_keys={
            key: _shown(path, value) for key, value in values.items() if key.startswith(f"{architecture}.")
        },
        synthetic=_text(values, "general.description") == SYNTHETIC_DESCRIPTION,
    )


def _shown(path: Path, value: Any) -> Scalar:
    """A value as the facts keep it: numbers and truth values as they are, the rest as text that ends after a while."""
    if isinstance(value, Array):
        value = read_array(path, value) if value.length <= LONGEST_ARRAY else f"{value.length} values"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    text = value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"


def _text(values: dict[str, Any], key: str) -> str | None:
    """A text that a report may name, of bounded length."""
    value = values.get(key)
    text = value[: 4 * LONGEST_TEXT].decode("utf-8", errors="replace") if isinstance(value, bytes) else ""
    return text[:LONGEST_TEXT] or None


def _count(values: dict[str, Any], key: str) -> int | None:
    value = values.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
