"""A model's own chat template, rendered as Hugging Face renders it, once a run: every runtime gets the same text."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from parity.errors import ModelError
from parity.models.gguf_header import Array, read_array, read_header
from parity.records import ModelFacts

if TYPE_CHECKING:
    from jinja2 import nodes
    from jinja2.parser import Parser

RAW = "set `raw = true` in the test, with the turn written out in the prompt"


def chat_turn(model: ModelFacts, prompt: str) -> str:
    """A prompt as the user's turn, and the opening of the answer.

    Raises:
        ModelError: the model is no GGUF file, has no template, or has one that can't render a user's turn.
    """
    if model.format != "gguf":
        raise ModelError(f"{model.path}: a folder, and only chat templates of GGUF files are rendered", RAW)
    path = Path(model.path)
    values = read_header(path).values
    template = values.get("tokenizer.chat_template")
    if not isinstance(template, bytes):
        raise ModelError(f"{model.path}: the file has no chat template", RAW)
    bos, eos = _special_tokens(path, values)
    try:
        return render(template.decode("utf-8"), prompt, bos=bos, eos=eos)
    except Exception as error:
        # A template is a program that comes with the model: it may raise anything.
        raise ModelError(f"{model.path}: its chat template can't render a user's turn: {error}", RAW) from error


def holds(text: str, prompt: str) -> bool:
    """Whether a rendered prompt holds the test's prompt: as it is, but for blanks at its ends and how lines are broken,
    or as a JSON string, which is what templates with `tojson` make of it."""
    asked = _blanks(prompt)
    quoted = (json.dumps(prompt.strip(), ensure_ascii=ascii_only)[1:-1] for ascii_only in (False, True))
    return asked in _blanks(text) or any(form in text for form in quoted)


def _blanks(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def render(template: str, prompt: str, *, bos: str, eos: str) -> str:
    """The template over one message. Raises whatever the template does."""
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
        bos_token=bos,
        eos_token=eos,
    )


def _tojson(value: Any, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=False, **options)


def _raise(message: str) -> NoReturn:
    from jinja2 import TemplateError

    raise TemplateError(message)


def _special_tokens(path: Path, values: dict[str, Any]) -> tuple[str, str]:
    """The texts of the begin and end tokens; empty where the model names none."""
    named = values.get("tokenizer.ggml.tokens")
    tokens = read_array(path, named) if isinstance(named, Array) else []
    ids = (values.get(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos"))
    bos, eos = (str(tokens[k]) if isinstance(k, int) and 0 <= k < len(tokens) else "" for k in ids)
    return bos, eos
