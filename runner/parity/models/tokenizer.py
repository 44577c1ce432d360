"""A model's `tokenizer.json`: its own, or one rebuilt from a GGUF file's vocabulary, merges and pre-tokenizer.

Programs that read no other tokenizer get this file, and parity counts with it the tokens of a program that prints
text alone. A rebuilt one is made once per content hash and cached.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from parity.bounded import LimitError, RaisedError, call
from parity.cache import cache_folder, read_json, write_json
from parity.errors import ModelError
from parity.models.digest import stamp_of
from parity.models.gguf_header import Array, read_array, read_header
from parity.private import write_private
from parity.records import ModelFacts

REBUILT_AS: Final = 1
"""Raise it whenever a tokenizer is rebuilt differently; older cached ones are then made again."""

GPT2: Final = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
CONTRACTIONS: Final = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
WORDS: Final = r"[^\r\n\p{L}\p{N}]?\p{L}+"
REST: Final = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# A new word begins where an ASCII capital follows an ASCII small letter; other letters count as both.
CASED: Final = (
    rf"[^\r\n\p{{L}}\p{{N}}]?((?=[\p{{L}}])([^a-z]))*((?=[\p{{L}}])([^A-Z]))+{CONTRACTIONS}?"
    rf"|[^\r\n\p{{L}}\p{{N}}]?((?=[\p{{L}}])([^a-z]))+((?=[\p{{L}}])([^A-Z]))*{CONTRACTIONS}?"
)
CASED_REST: Final = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"


class _Cut(NamedTuple):
    """How text is cut before merging. `ignore_merges`: a whole piece that is in the vocabulary is one token."""

    patterns: tuple[str, ...]
    ignore_merges: bool = False


_QWEN2: Final = _Cut((rf"{CONTRACTIONS}|{WORDS}|\p{{N}}|{REST}",))
_DBRX: Final = _Cut((rf"{CONTRACTIONS}|{WORDS}|\p{{N}}{{1,3}}|{REST}",))
_LLAMA3: Final = _DBRX._replace(ignore_merges=True)
PRE_TOKENIZERS: Final = {
    "default": _Cut((r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]")),
    "gpt-2": _Cut((GPT2,)),
    "smollm": _Cut((r"\p{N}", GPT2)),
    "qwen2": _QWEN2,
    "deepseek-r1-qwen": _QWEN2,
    "dbrx": _DBRX,
    "llama3": _LLAMA3,
    "llama-v3": _LLAMA3,
    "llama-bpe": _LLAMA3,
    "gpt-4o": _Cut((rf"{CASED}|\p{{N}}{{1,3}}|{CASED_REST}",)),
}
"""By `tokenizer.ggml.pre`; the patterns are those that llama.cpp uses for these names."""

_NORMAL: Final = 1
_SPECIAL_KINDS: Final = (2, 3)
_USER_DEFINED: Final = 4
_UNUSED: Final = 5
_REMEDY: Final = "put the model's own tokenizer.json beside the GGUF file"

LIBRARY_S: Final = 30.0
"""CPU time that the library has, loading a tokenizer included."""

CHARACTERS_S: Final = 100_000
"""Characters that it encodes in a second at the very least."""

LIBRARY_BYTES: Final = 4 * 1024**3

Encode = Callable[[str], list[int]]
"""Ids of a text, special tokens recognised, none added. Raises ModelError for a tokenizer that fails on the text."""


class _Vocabulary(NamedTuple):
    """Text and kind of each token of a GGUF file, by id."""

    tokens: list[str]
    kinds: list[int]

    @property
    def padding(self) -> set[int]:
        """Ids that no text is encoded to; the file has them only because its embedding has more rows."""
        return {k for k, kind in enumerate(self.kinds) if kind == _UNUSED}


def write_tokenizer(model: ModelFacts, target: Path) -> Path:
    """Writes the model's `tokenizer.json` to `target`, and returns `target`.

    One beside a GGUF file is used if it has the same token for every id as that file itself.

    Raises:
        ModelError: the model has none, and its vocabulary is of a kind that can't be rebuilt here.
        OSError: `target` can't be written.
    """
    path = Path(model.path)
    beside = (path if model.format == "folder" else path.parent) / "tokenizer.json"
    if model.format == "folder" and not beside.is_file():
        raise ModelError(f"{path}: the folder has no tokenizer.json", "put the model's tokenizer.json into the folder")
    if model.format == "folder" or (beside.is_file() and _is_of(beside, path)):
        shutil.copyfile(beside, target)
        target.chmod(0o600)
        return target
    try:
        content = _rebuilt(model)
    except ModelError as error:
        foreign = f"{beside} is not the tokenizer of {path.name}; " if beside.is_file() else ""
        raise ModelError(f"{foreign}{error.wrong}", error.remedy) from error
    write_private(target, json.dumps(content, ensure_ascii=False))
    return target


def load_encoder(path: Path) -> Encode:
    """An encoder from a `tokenizer.json`, which is read when a text is first encoded."""
    return lambda text: cast("list[int]", ask_library("ids_of", path, text, cpu_s=LIBRARY_S + len(text) / CHARACTERS_S))


def ask_library(function: str, path: Path, *arguments: Any, cpu_s: float = LIBRARY_S) -> Any:
    """What a function of `parity.models.tokenizing` says of the `tokenizer.json` at `path`, asked in a child with
    limits.

    Raises:
        ModelError: the file is gone, is no tokenizer that can be loaded, or the library fails on it.
    """
    try:
        asked = f"parity.models.tokenizing:{function}"
        return call(asked, str(path), stamp_of(path), *arguments, cpu_s=cpu_s, memory_bytes=LIBRARY_BYTES)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}", "make the file readable") from error
    except (LimitError, RaisedError) as error:
        reason = next(iter(str(error).splitlines()), "no reason given")
        raise ModelError(
            f"{path}: the tokenizers library fails on this tokenizer: {reason}",
            "replace it with the tokenizer.json that the model's publisher provides",
        ) from error


def _is_of(tokenizer_json: Path, path: Path) -> bool:
    """Whether a `tokenizer.json` has the tokens of the GGUF file at `path`, each with the same id, padding aside."""
    try:
        ids = ask_library("vocabulary_of", tokenizer_json)
    except ModelError:
        # Whatever is wrong with it, it isn't this model's.
        return False
    vocabulary = _vocabulary(path, read_header(path).values)
    own = dict(enumerate(vocabulary.tokens))
    found = {k: token for token, k in ids.items()}
    return found.items() <= own.items() and own.keys() - found.keys() <= vocabulary.padding


def _vocabulary(path: Path, values: Mapping[str, Any]) -> _Vocabulary:
    tokens = _items(path, values, "tokens")
    typed = "tokenizer.ggml.token_type" in values
    kinds = _items(path, values, "token_type") if typed else [_NORMAL] * len(tokens)
    if len(kinds) != len(tokens):
        raise ModelError(f"{path}: it has {len(tokens)} tokens and {len(kinds)} token types", _REMEDY)
    return _Vocabulary(tokens, kinds)


def _items(path: Path, values: Mapping[str, Any], name: str) -> list[Any]:
    array = values.get(f"tokenizer.ggml.{name}")
    if not isinstance(array, Array):
        raise ModelError(f"{path}: its header has no tokenizer.ggml.{name}", _REMEDY)
    return read_array(path, array)


def _rebuilt(model: ModelFacts) -> Any:
    """The content of the rebuilt `tokenizer.json`, from the cache where it was rebuilt before."""
    cached = cache_folder() / "tokenizers" / f"{model.sha256}-v{REBUILT_AS}.json"
    content = read_json(cached)
    if not isinstance(content, dict):
        content = _rebuild(Path(model.path))
        write_json(cached, content)
    return content


def _rebuild(path: Path) -> Any:
    """The content of a `tokenizer.json` made from what a GGUF file says."""
    values = read_header(path).values
    family, pre = _text(values, "model", "none"), _text(values, "pre", "default")
    if family != "gpt2":
        raise ModelError(f"{path}: a tokenizer of the family {family} can't be rebuilt from a GGUF file", _REMEDY)
    if pre not in PRE_TOKENIZERS:
        raise ModelError(f"{path}: the pre-tokenizer {pre} is not one of {', '.join(PRE_TOKENIZERS)}", _REMEDY)
    vocabulary, merges = _vocabulary(path, values), _items(path, values, "merges")
    try:
        function = "parity.models.tokenizer:byte_level_bpe"
        built = call(function, *vocabulary, merges, pre, cpu_s=LIBRARY_S, memory_bytes=LIBRARY_BYTES)
    except (LimitError, RaisedError) as error:
        raise ModelError(f"{path}: no tokenizer can be built from its tokens and merges: {error}", _REMEDY) from error
    return json.loads(built)


def byte_level_bpe(tokens: list[str], kinds: list[int], merges: list[str], pre: str) -> str:
    """The text of the `tokenizer.json` that has these tokens, by id, their kinds, merges such as `a b`, and a
    pre-tokenizer of `PRE_TOKENIZERS`. For a child with limits: it raises what the library raises."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    cut = PRE_TOKENIZERS[pre]
    ids = {token: k for k, token in enumerate(tokens)}
    core = Tokenizer(models.BPE(ids, [_halves(merge) for merge in merges], ignore_merges=cut.ignore_merges))
    splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in cut.patterns]
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [*splits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    core.decoder = decoders.ByteLevel()
    for kind, token in zip(kinds, tokens, strict=True):
        if kind in _SPECIAL_KINDS:
            core.add_special_tokens([AddedToken(token, normalized=False, special=True)])
        elif kind == _USER_DEFINED:
            core.add_tokens([AddedToken(token, normalized=False, special=False)])
    text: str = core.to_str()
    return text


def _text(values: Mapping[str, Any], key: str, default: str) -> str:
    value = values.get(f"tokenizer.ggml.{key}")
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else default


def _halves(merge: str) -> tuple[str, str]:
    """`a b` → (`a`, `b`). The first half may itself begin with a space."""
    at = merge.index(" ", 1)
    return merge[:at], merge[at + 1 :]
