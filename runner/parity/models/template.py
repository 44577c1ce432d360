"""A model's own chat template, rendered as Hugging Face renders it, once a run: every runtime gets the same text."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from parity.bounded import LimitError, RaisedError, call
from parity.errors import ModelError
from parity.models.folder import chat_template, special_tokens, tokenizer_config
from parity.models.gguf_header import Array, LongString, read_array, read_header
from parity.records import ModelFacts

if TYPE_CHECKING:
    from jinja2 import nodes
    from jinja2.parser import Parser

RAW = "set `raw = true` in the test, with the turn written out in the prompt"

RENDER_S = 5.0
"""CPU time of a template for one turn."""

RENDER_BYTES = 1024**3
"""Address space of the child that renders it."""

LONGEST_TURN = 16 * 1024 * 1024
"""Characters of a rendered prompt."""


class _Template(NamedTuple):
    """A template, and the texts of the special tokens that it is given, by names such as `bos_token`."""

    source: bytes
    tokens: Mapping[str, str]


def chat_turn(model: ModelFacts, prompt: str) -> str:
    """A prompt as the user's turn, and the opening of the answer.

    Raises:
        ModelError: the model has no template, or has one that can't render a user's turn here.
    """
    source, tokens = (_of_folder if model.format == "folder" else _of_gguf)(Path(model.path))
    try:
        # A template is a program that comes with the model: it may raise anything, and run for ever.
        asked = "parity.models.template:render"
        text = call(asked, source.decode("utf-8"), prompt, tokens, cpu_s=RENDER_S, memory_bytes=RENDER_BYTES)
        return _sendable(text)
    except (RaisedError, LimitError, ValueError) as error:
        raise ModelError(f"{model.path}: its chat template can't render a user's turn: {error}", RAW) from error


def _of_gguf(path: Path) -> _Template:
    values = read_header(path).values
    template = values.get("tokenizer.chat_template")
    if isinstance(template, LongString):
        raise ModelError(f"{path}: its chat template is {template}", RAW)
    if not isinstance(template, bytes):
        raise ModelError(f"{path}: the file has no chat template", RAW)
    return _Template(template, _special_tokens(path, values))


def _of_folder(path: Path) -> _Template:
    if kind := tokenizer_config(path).get("chat_template_type"):
        raise ModelError(f"{path}: its chat template is a program of mlx-lm ({kind}), which parity does not run", RAW)
    template = chat_template(path)
    if template is None:
        raise ModelError(f"{path}: the folder has no chat template", RAW)
    return _Template(template, special_tokens(path))


def _sendable(text: str) -> str:
    """A rendered prompt that a runtime can be sent; raises ValueError for any other."""
    if len(text) > LONGEST_TURN:
        raise ValueError(f"it writes {len(text)} characters")
    if "\0" in text:
        raise ValueError("it writes a NUL character")
    text.encode()  # a half of a character is a UnicodeEncodeError, which is a ValueError
    return text


def holds(text: str, prompt: str) -> bool:
    """Whether a rendered prompt holds the test's prompt: as it is, but for blanks at its ends and how lines are broken,
    or as a JSON string, which is what templates with `tojson` make of it."""
    asked = _blanks(prompt)
    quoted = (json.dumps(prompt.strip(), ensure_ascii=ascii_only)[1:-1] for ascii_only in (False, True))
    return asked in _blanks(text) or any(form in text for form in quoted)


def _blanks(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def render(template: str, prompt: str, tokens: Mapping[str, str]) -> str:
    """The template over one message, for a child with limits. `tokens`: text of each special token, by its name.
    Raises whatever the template does."""
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}`, with which templates mark what the assistant says: it renders what is inside."""

        tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

        def parse(self, parser: "Parser") -> "list[nodes.Node]":
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, Generation]
    )
    environment.filters["tojson"] = _tojson
    environment.globals |= {"raise_exception": _raise, "strftime_now": lambda form: datetime.now().strftime(form)}
    return environment.from_string(template).render(
        messages=[{"role": "user", "content": prompt}],
        tools=None,
        documents=None,
        add_generation_prompt=True,
        **tokens,
    )


def _tojson(value: Any, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=False, **options)


def _raise(message: str) -> NoReturn:
    from jinja2 import TemplateError

    raise TemplateError(message)


def _special_tokens(path: Path, values: dict[str, Any]) -> dict[str, str]:
    """The texts of the begin and end tokens; empty where the model names none."""
    named = values.get("tokenizer.ggml.tokens")
    tokens = read_array(path, named) if isinstance(named, Array) else []
    ids = {name: values.get(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos")}
    return {
        f"{name}_token": str(tokens[k]) if isinstance(k, int) and 0 <= k < len(tokens) else ""
        for name, k in ids.items()
    }
