"""The contract of adapters as tables: hooks with their signatures, and the records that they take and give."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from pydantic import BaseModel, TypeAdapter

from parity.adapter import Adapter, Availability, Build, Command, HostFacts, Launch, Need, Written
from parity.records import Job
from parity.transcript import End, Line, NoSpawn, Piece, Spawned, Transcript

Schema = Mapping[str, Any]

MADE: tuple[type[BaseModel], ...] = (Command, Availability, Launch, Build, Need, Written)
"""Records that an adapter makes; those within them follow."""

GIVEN: tuple[type[BaseModel], ...] = (Job, HostFacts)
"""Records that it is given, beside transcripts."""

OF_TRANSCRIPTS: tuple[type[BaseModel], ...] = (Spawned, NoSpawn, End)
"""Records in a transcript that adapters read."""

CLASSES: tuple[type, ...] = (Transcript, Line, Piece)


def hook_rows() -> Iterator[Sequence[str]]:
    """Each member of `Adapter`: how it is written, whether it is required, and what it says."""
    yield "`name`", "required", "The name by which configs choose the adapter, as its entry point has it."
    yield "`Settings`", "required", "The class of its settings: keys of `[runtimes.NAME]`, each with a description."
    yield "`settings`", "given", "The runtime's own keys, read and checked."
    yield (
        "`host`",
        "given",
        "What an adapter may know of the machine that the runtime runs on: [`HostFacts`](#hostfacts).",
    )
    for name, member in vars(Adapter).items():
        if name.startswith("_") or name in ("name", "Settings"):
            continue
        function = _function(member)
        required = "required" if getattr(member, "__isabstractmethod__", False) else "optional"
        yield f"`{_signature(name, member, function)}`", required, plain(inspect.getdoc(function))


def transcript_rows(kind: type) -> Iterator[Sequence[str]]:
    """Each public field, property and method of a class."""
    fields = getattr(kind, "__dataclass_fields__", None) or dict.fromkeys(getattr(kind, "_fields", ()))
    notes = inspect.get_annotations(kind)
    for name in fields:
        if not name.startswith("_"):
            yield f"`{name}: {_type(notes[name])}`", ""
    for name, member in vars(kind).items():
        if name.startswith("_") or name in fields or isinstance(member, staticmethod | classmethod):
            continue
        if isinstance(member, property | cached_property) or inspect.isfunction(member):
            function = _function(member)
            yield f"`{_signature(name, member, function)}`", plain(inspect.getdoc(function))


def record_schema(kind: type[BaseModel]) -> Schema:
    return TypeAdapter(kind).json_schema()


def introduction(kind: type) -> str:
    return plain(inspect.getdoc(kind))


def plain(text: str | None) -> str:
    """A docstring as one paragraph."""
    return " ".join((text or "").split())


def _function(member: Any) -> Callable[..., Any]:
    if isinstance(member, property):
        assert member.fget is not None
        return member.fget
    return getattr(member, "func", None) or getattr(member, "__func__", member)


def _signature(name: str, member: Any, function: Callable[..., Any]) -> str:
    signature = inspect.signature(function)
    gives = _type(signature.return_annotation)
    if isinstance(member, property | cached_property):
        return f"{name}: {gives}"
    given = [
        f"{'**' if each.kind is each.VAR_KEYWORD else ''}{each.name}: {_type(each.annotation)}"
        + ("" if each.default is each.empty else f" = {each.default!r}")
        for each in signature.parameters.values()
        if each.name not in ("self", "cls")
    ]
    return f"{name}({', '.join(given)}) → {gives}"


def _type(annotation: Any) -> str:
    """A type as code has it, without the modules."""
    shown = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    shown = shown.replace("typing.Literal['out', 'err']", "Stream")
    shown = shown.replace("typing.Literal['generate', 'score']", "Task")
    shown = re.sub(r"typing\.Optional\[(\w+)\]", r"\1 | None", shown)
    shown = re.sub(r"Union\[([^\[\]]+)\]", lambda found: found[1].replace(", ", " | "), shown)
    shown = re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Za-z])", "", shown)
    if shown.startswith("Hello |") or "Hello | Phase" in shown:
        return re.sub(r"Hello \| .*Bye", "Event", shown)
    return shown
