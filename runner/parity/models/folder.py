"""Model folders as Hugging Face and MLX lay them out: config.json, *.safetensors, tokenizer files."""

import hashlib
import json
import struct
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from parity.errors import ModelError
from parity.models.facts import Inspection

PATTERNS: Final = ("*.safetensors", "*.json", "*.jinja", "merges.txt", "vocab.txt", "*.model", "*.tiktoken")
"""Files of a model folder that decide what it generates; the rest isn't hashed or fetched."""

INDEX: Final = "model.safetensors.index.json"
LARGEST_HEADER_BYTES: Final = 100 * 1024 * 1024
REFETCH: Final = "fetch the folder again, or name a different one"
_FLOATS: Final = frozenset({"F64", "F32", "F16", "BF16"})


def lacks(folder: Path) -> str | None:
    """The name of a file that a model folder needs and this one does not have, or None."""
    if not (folder / "config.json").is_file():
        return "config.json"
    names = _weight_names(folder)
    if not names:
        return "*.safetensors"
    return next((name for name in names if not (folder / name).is_file()), None)


def files_that_matter(folder: Path) -> tuple[Path, ...]:
    """Weights, config and tokenizer files, by name; without weights that the index doesn't list."""
    found = {path for pattern in PATTERNS for path in folder.glob(pattern) if path.is_file()}
    weights = _weight_names(folder)
    return tuple(sorted(path for path in found if path.suffix != ".safetensors" or path.name in weights))


def inspect_folder(folder: Path) -> Inspection:
    """The facts of a model folder.

    Raises:
        ModelError: a file is missing, cut or damaged.
    """
    if missing := lacks(folder):
        raise ModelError(f"{folder}: a model folder without {missing}", _remedy_for(folder))
    config = _json_object(folder / "config.json")
    text = config["text_config"] if isinstance(config.get("text_config"), dict) else config
    tensors: dict[str, tuple[str, int]] = {}
    for name in _weight_names(folder):
        tensors |= _safetensors_header(folder / name)
    census, parameters = _census(tensors, config)
    return Inspection(
        format="folder",
        architecture=_text(text, "model_type") or _text(config, "model_type"),
        parameters=parameters,
        quantisation=census,
        context_length=_count(text, "max_position_embeddings"),
        tokenizer=_tokenizer(folder),
        vocab_size=_count(text, "vocab_size"),
        chat_template_sha256=_chat_template_sha256(folder),
    )


def _remedy_for(folder: Path) -> str:
    ggufs = sorted(path.name for path in folder.glob("*.gguf"))
    if ggufs:
        return f"name the GGUF file in it: {', '.join(ggufs[:5])}"
    return "name a GGUF file, or a folder with config.json, *.safetensors and a tokenizer"


def _weight_names(folder: Path) -> tuple[str, ...]:
    if (folder / INDEX).is_file():
        weight_map = _json_object(folder / INDEX).get("weight_map")
        if not isinstance(weight_map, dict) or not all(_plain_name(name) for name in weight_map.values()):
            raise ModelError(f"{folder / INDEX}: it has no weight_map of file names", REFETCH)
        return tuple(sorted(set(weight_map.values())))
    names = sorted(path.name for path in folder.glob("*.safetensors"))
    return tuple(name for name in names if name.startswith("model")) or tuple(names)


def _plain_name(value: object) -> bool:
    return isinstance(value, str) and Path(value).name == value


def _safetensors_header(path: Path) -> dict[str, tuple[str, int]]:
    """Tensor name -> (type, number of elements). Format: 8 bytes of length, that much JSON, then the data."""
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            start = stream.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if length > LARGEST_HEADER_BYTES:
                raise ModelError(f"{path}: not a safetensors file (its header would be {length} bytes)", REFETCH)
            raw = stream.read(length)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}", "make the file readable") from error
    if not length or len(raw) < length:
        raise ModelError(f"{path}: the file is cut off inside its header, at byte {size}", REFETCH)
    try:
        entries = {name: entry for name, entry in json.loads(raw).items() if name != "__metadata__"}
        tensors = {name: (str(entry["dtype"]), _product(entry["shape"])) for name, entry in entries.items()}
        data_bytes = max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path}: a damaged safetensors header", REFETCH) from error
    end = 8 + length + data_bytes
    if end > size:
        raise ModelError(f"{path}: the file is cut off: its data ends at byte {end}, the file at {size}", REFETCH)
    return tensors


def _product(shape: list[int]) -> int:
    count = 1
    for extent in shape:
        count *= int(extent)
    return count


def _census(tensors: Mapping[str, tuple[str, int]], config: Mapping[str, Any]) -> tuple[dict[str, int], int | None]:
    """Tensors by type, and the parameters they hold: None where the config doesn't explain a packed tensor.

    MLX packs the weight `X.weight` into 32-bit words beside `X.scales` (one scale a group) and `X.biases`."""
    quantised = {
        name.removesuffix(".scales")
        for name in tensors
        if name.endswith(".scales") and f"{name[:-7]}.weight" in tensors
    }
    census: Counter[str] = Counter()
    parameters: int | None = 0
    for name, (dtype, elements) in tensors.items():
        layer, _, part = name.rpartition(".")
        if layer in quantised and part in {"scales", "biases"}:
            continue
        label = dtype
        held: int | None = elements if dtype in _FLOATS else None
        if layer in quantised and part == "weight":
            label, held = _packed(layer, dtype, elements, tensors[f"{layer}.scales"][1], config)
        census[label] += 1
        parameters = None if parameters is None or held is None else parameters + held
    return dict(sorted(census.items())), parameters


def _packed(layer: str, dtype: str, words: int, scales: int, config: Mapping[str, Any]) -> tuple[str, int | None]:
    table = config.get("quantization")
    if not isinstance(table, dict):
        return dtype, None
    own = table.get(layer)
    scheme = own if isinstance(own, dict) else table
    bits, group = _count(scheme, "bits"), _count(scheme, "group_size")
    if bits is None or group is None or words * 32 != scales * group * bits:
        return dtype, None
    return f"{bits}-bit/{group}", scales * group


def _tokenizer(folder: Path) -> str | None:
    if (folder / "tokenizer_config.json").is_file():
        named = _text(_json_object(folder / "tokenizer_config.json"), "tokenizer_class")
        if named:
            return named
    if (folder / "tokenizer.json").is_file():
        model = _json_object(folder / "tokenizer.json").get("model")
        return _text(model, "type") if isinstance(model, dict) else None
    return None


def _chat_template_sha256(folder: Path) -> str | None:
    template: object = None
    if (folder / "chat_template.jinja").is_file():
        return hashlib.sha256((folder / "chat_template.jinja").read_bytes()).hexdigest()
    if (folder / "tokenizer_config.json").is_file():
        template = _json_object(folder / "tokenizer_config.json").get("chat_template")
    if isinstance(template, list):
        named = {entry.get("name"): entry.get("template") for entry in template if isinstance(entry, dict)}
        template = named.get("default")
    return hashlib.sha256(template.encode()).hexdigest() if isinstance(template, str) else None


def _json_object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}", "make the file readable") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not JSON ({error})", REFETCH) from error
    if not isinstance(value, dict):
        raise ModelError(f"{path}: not a JSON object", REFETCH)
    return value


def _text(table: Mapping[str, Any], key: str) -> str | None:
    value = table.get(key)
    return value if isinstance(value, str) and value else None


def _count(table: Mapping[str, Any], key: str) -> int | None:
    value = table.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
