"""Model folders as Hugging Face and MLX lay them out: config.json, *.safetensors, tokenizer files."""

import hashlib
import json
import re
import struct
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from parity.errors import ModelError
from parity.models.facts import Inspection

PATTERNS: Final = ("*.safetensors", "*.json", "*.jinja", "merges.txt", "vocab.txt", "*.model", "*.tiktoken")
"""Files of a model folder that decide what it generates; the rest isn't hashed or fetched."""

TOKENIZER_CONFIG: Final = "tokenizer_config.json"
"""Names the special tokens and, in most folders, holds the chat template."""

INDEX: Final = "model.safetensors.index.json"
LARGEST_HEADER_BYTES: Final = 100 * 1024 * 1024
LONGEST_TEXT: Final = 200
"""Characters of a text that reports may name."""
LARGEST_TEXT_BYTES: Final = 256 * 1024 * 1024
MOST_DIMENSIONS: Final = 16
REFETCH: Final = "fetch the folder again, or name a different one"
MOST_PARTS: Final = 10_000
_PART: Final = re.compile(r"(?P<stem>.+)-\d{1,5}-of-(?P<count>\d{1,5})\.safetensors")
VOCABULARIES: Final = ("tokenizer.json", "tekken.json", "*vocab*", "*.model*", "*.tiktoken")
"""Files one of which holds the tokens of a model."""

SPECIAL_TOKENS: Final = frozenset(f"{name}_token" for name in ("bos", "eos", "unk", "sep", "pad", "cls", "mask"))
_FLOATS: Final = frozenset({"F64", "F32", "F16", "BF16"})


def lacks(folder: Path) -> str | None:
    """The name of a file that a model folder needs and this one does not have, or None."""
    if not (folder / "config.json").is_file():
        return "config.json"
    names = _weight_names(folder)
    if not names:
        return "*.safetensors"
    if missing := next((name for name in names if not (folder / name).is_file()), None):
        return missing
    has_vocabulary = any(path.is_file() for pattern in VOCABULARIES for path in folder.glob(pattern))
    return None if has_vocabulary else "a tokenizer (tokenizer.json, or tokenizer.model)"


def tokenizer_config(folder: Path) -> dict[str, Any]:
    """What `tokenizer_config.json` holds; empty where there is none.

    Raises:
        ModelError: it can't be read.
    """
    path = folder / TOKENIZER_CONFIG
    return _json_object(path) if path.is_file() else {}


def chat_template(folder: Path) -> bytes | None:
    """The template of the folder that is for a turn without tools, from where transformers takes it; None where there
    is none.

    Raises:
        ModelError: it can't be read.
    """
    if (folder / "chat_template.jinja").is_file():
        return _content(folder / "chat_template.jinja")
    template = tokenizer_config(folder).get("chat_template")
    if isinstance(template, list):
        named = (
            entry.get("template") for entry in template if isinstance(entry, dict) and entry.get("name") == "default"
        )
        template = next(named, None)
    # JSON can hold a half of a character, which is no UTF-8.
    return template.encode(errors="surrogatepass") if isinstance(template, str) else None


def special_tokens(folder: Path) -> dict[str, str]:
    """Name, such as `bos_token` -> text of the tokens that a chat template is given.

    Raises:
        ModelError: a file of them can't be read.
    """
    named = tokenizer_config(folder)
    older = folder / "special_tokens_map.json"
    if "added_tokens_decoder" not in named and older.is_file():
        named = named | _json_object(older)
    texts = {key: value.get("content") if isinstance(value, dict) else value for key, value in named.items()}
    return {key: text for key, text in texts.items() if key in SPECIAL_TOKENS and isinstance(text, str)}


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
    template = chat_template(folder)
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
        chat_template_sha256=None if template is None else hashlib.sha256(template).hexdigest(),
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
    return _with_all_parts(tuple(name for name in names if name.startswith("model")) or tuple(names))


def _with_all_parts(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, with those of all parts where one of them says that it is one of several: an interrupted download has
    brought some parts, and not the index that lists them."""
    found = dict.fromkeys(names)
    for name in names:
        if (part := _PART.fullmatch(name)) and 0 < int(part["count"]) <= MOST_PARTS:
            digits, count = len(part["count"]), int(part["count"])
            numbers = (f"{k:0{digits}}" for k in range(1, count + 1))
            found |= dict.fromkeys(f"{part['stem']}-{k}-of-{part['count']}.safetensors" for k in numbers)
    return tuple(sorted(found))


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
        tensors = {name: (_shown(str(entry["dtype"])), _product(entry["shape"])) for name, entry in entries.items()}
        data_bytes = max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ModelError(f"{path}: a damaged safetensors header", REFETCH) from error
    end = 8 + length + data_bytes
    if end > size:
        raise ModelError(f"{path}: the file is cut off: its data ends at byte {end}, the file at {size}", REFETCH)
    return tensors


def _product(shape: list[int]) -> int:
    """Raises ValueError for what is no shape of a tensor."""
    count = 1
    for extent in shape:
        if not 0 <= int(extent) < 2**63 or len(shape) > MOST_DIMENSIONS:
            raise ValueError("not a shape of a tensor")
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
    if named := _text(tokenizer_config(folder), "tokenizer_class"):
        return named
    if (folder / "tokenizer.json").is_file():
        model = _json_object(folder / "tokenizer.json").get("model")
        return _text(model, "type") if isinstance(model, dict) else None
    return None


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_TEXT_BYTES + 1)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}", "make the file readable") from error
    if len(raw) > LARGEST_TEXT_BYTES:
        raise ModelError(f"{path}: it has more than {LARGEST_TEXT_BYTES} bytes", REFETCH)
    return raw


def _json_object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(_content(path))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not JSON ({error})", REFETCH) from error
    if not isinstance(value, dict):
        raise ModelError(f"{path}: not a JSON object", REFETCH)
    return value


def _text(table: Mapping[str, Any], key: str) -> str | None:
    value = table.get(key)
    return _shown(value) if isinstance(value, str) and value else None


def _shown(text: str) -> str:
    """A text as a report may name it: not too long, and without halves of characters, which JSON can hold."""
    return text[:LONGEST_TEXT].encode(errors="replace").decode()


def _count(table: Mapping[str, Any], key: str) -> int | None:
    value = table.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
