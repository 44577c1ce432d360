"""Validation whose complaints name the key as it stands in the file, and say what would be right."""

import difflib
import functools
import json
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from parity.config.scalars import take_scalars
from parity.config.snippets import PATTERNS, SNIPPETS
from parity.errors import MOST_PROBLEMS, Problem
from parity.gates import KINDS

T = TypeVar("T", bound=BaseModel)

_WRONG_SHAPES = ("dict_type", "model_type", "tuple_type", "list_type", "model_attributes_type")
"""Complaints of a table that is written as something else."""


def validate(
    model: type[T],
    tree: Any,
    at: tuple[str | int, ...],
    problems: list[Problem],
    *,
    also_known: Set[str] = frozenset(),
    folder: Path | None = None,
) -> T | None:
    """Validates strictly by way of JSON, so that `true` is no 1 and a list may be a tuple. `tree` holds nothing but
    what JSON can say; a number or boolean that a variable writes takes the variable's place in it where one is wanted.
    At most `MOST_PROBLEMS` of what is wrong are told."""
    try:
        try:
            return model.model_validate_json(json.dumps(tree), context={"folder": folder})
        except ValidationError as error:
            if not take_scalars(tree, error.errors(include_url=False)):
                raise
            return model.model_validate_json(json.dumps(tree), context={"folder": folder})
    except ValidationError as error:
        entries = [entry for entry in error.errors(include_url=False) if not _echo(entry)][:MOST_PROBLEMS]
        suggested = {_nearest_key(model, entry, also_known) for entry in entries}
        problems += [
            _problem(model, tree, at, entry, also_known)
            for entry in entries
            if entry["type"] != "missing" or entry["loc"] not in suggested
        ]
        return None


def _echo(entry: Any) -> bool:
    """Pydantic calls a list too short when its only item is wrong; the item's own complaint says it."""
    return entry["type"] == "too_short" and bool(entry["input"])


def _problem(model: type[BaseModel], tree: Any, at: tuple[str | int, ...], entry: Any, also_known: Set[str]) -> Problem:
    kind, loc = entry["type"], tuple(part for part in entry["loc"] if not _is_form(part) and (part not in KINDS or at))
    where = key_path(tree, loc, at)
    if kind == "extra_forbidden":
        nearest = _nearest_key(model, entry, also_known)
        known = ", ".join(sorted(_known_keys(model, entry, also_known)))
        return Problem(where, "unknown key", f"did you mean `{nearest[-1]}`?" if nearest else f"known here: {known}")
    example = SNIPPETS.get(where)
    if kind == "missing":
        return Problem(where, "is missing", f"add it{_described(model, entry['loc'])}{_pasted(example)}")
    if example is not None and kind in _WRONG_SHAPES:
        shape = "is no table" if example.startswith("[") else "has the wrong type"
        return Problem(where, shape, f"write it like this{_pasted(example)}")
    if kind == "string_pattern_mismatch" and (words := PATTERNS.get(entry["ctx"]["pattern"])):
        return Problem(where, f"{_shown(entry['input'])} is not valid", f"{words}{_described(model, entry['loc'])}")
    if kind == "union_tag_not_found":
        return Problem(f"{where}.kind", "is missing", f"add `kind = …`, one of {', '.join(sorted(KINDS))}")
    if kind == "union_tag_invalid":
        tag = entry["ctx"]["tag"]
        near = difflib.get_close_matches(tag, KINDS, n=1)
        return Problem(
            f"{where}.kind",
            f"{tag!r} is not a kind of gate",
            f"did you mean {near[0]!r}?" if near else f"one of {', '.join(sorted(KINDS))}",
        )
    if kind == "too_short" and not entry["input"]:
        return Problem(where, "is empty", f"give at least one{_described(model, entry['loc'])}{_pasted(example)}")
    message = entry["msg"].removeprefix("Value error, ")
    return Problem(
        where,
        f"{_shown(entry['input'])} is not valid",
        f"{message[0].lower()}{message[1:]}{_described(model, entry['loc'])}",
    )


def _shown(value: Any) -> str:
    """A value as it may stand in a sentence."""
    shown = json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


def _pasted(example: str | None) -> str:
    """TOML on lines of its own."""
    return f":\n{example}" if example else ""


def key_path(tree: Any, loc: Sequence[str | int], at: Sequence[str | int] = ()) -> str:
    """`tests.simple-math.max_tokens`: an entry of a list goes by its `name` if it has one, otherwise by its place."""
    parts = [f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in (*at, *_named(tree, loc))]
    return "".join(parts).removeprefix(".")


def _known_keys(model: type[BaseModel], entry: Any, also_known: Set[str]) -> Set[str]:
    return _keys_at(model, entry["loc"][:-1]) | (also_known if len(entry["loc"]) == 1 else frozenset())


def _nearest_key(model: type[BaseModel], entry: Any, also_known: Set[str]) -> tuple[str | int, ...] | None:
    """Where the key lies that an unknown one was probably meant to be."""
    if entry["type"] != "extra_forbidden":
        return None
    *folder, key = entry["loc"]
    near = difflib.get_close_matches(str(key), sorted(_known_keys(model, entry, also_known)), n=1, cutoff=0.5)
    return (*folder, near[0]) if near else None


def _named(tree: Any, loc: Sequence[str | int]) -> Iterator[str | int]:
    """The key path, with an entry of a list called by its `name` where it has one."""
    for part in loc:
        inner = None
        if isinstance(tree, dict):
            inner = tree.get(str(part))
        elif isinstance(tree, list) and isinstance(part, int) and part < len(tree):
            inner = tree[part]
        name = inner.get("name") if isinstance(part, int) and isinstance(inner, dict) else None
        yield name if isinstance(name, str) and name else part
        tree = inner


def _schema_at(model: type[BaseModel], loc: Sequence[str | int]) -> Mapping[str, Any]:
    """The JSON Schema of what lies at `loc`; empty where the path leaves the schema."""
    root = _schema(model)
    node: Mapping[str, Any] = root
    for part in loc:
        node = _follow(node, root)
        if isinstance(part, int):
            node = node.get("items", {})
        elif _is_form(part):
            node = next((choice for choice in node.get("oneOf", ()) if "$ref" in choice), {})
        elif part in KINDS and "discriminator" in node:
            node = {"$ref": node["discriminator"]["mapping"][part]}
        else:
            node = node.get("properties", {}).get(part) or node.get("additionalProperties") or {}
        if not isinstance(node, dict):
            return {}
    return {**_follow(node, root), **{k: v for k, v in node.items() if k == "description"}}


@functools.cache
def _schema(model: type[BaseModel]) -> Mapping[str, Any]:
    return model.model_json_schema()


def _follow(node: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    for choice in node.get("anyOf", ()):
        if choice.get("type") != "null":
            node = choice
            break
    if "$ref" in node:
        return cast("Mapping[str, Any]", root["$defs"][node["$ref"].rpartition("/")[2]])
    return node


def _is_form(part: str | int) -> bool:
    """Whether a part of a path is no key, but the form in which a value is written, such as `(table)`."""
    return isinstance(part, str) and part.startswith("(")


def _keys_at(model: type[BaseModel], loc: Sequence[str | int]) -> Set[str]:
    return set(_schema_at(model, loc).get("properties", {}))


def _described(model: type[BaseModel], loc: Sequence[str | int]) -> str:
    description = _schema_at(model, loc).get("description", "").split("\n")[0]
    return f" ({description})" if description else ""
