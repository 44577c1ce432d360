"""A model's own chat template, rendered as Hugging Face renders it, for programs that apply none themselves."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from parity.errors import ModelError
from parity.models.gguf_header import read_header
from parity.models.tokenizer import load_tokenizer
from parity.records import ModelFacts

RAW = "set `raw = true` in the test, with the turn written out in the prompt"


def chat_turn(model: ModelFacts, tokenizer: Path, prompt: str) -> str:
    """A prompt as the user's turn, and the opening of the answer. `tokenizer` is the model's `tokenizer.json`.

    Raises:
        ModelError: the model is no GGUF file, has no template, has one that can't render a user's turn, or
            `tokenizer` can't be loaded.
    """
    if model.format != "gguf":
        raise ModelError(f"{model.path}: a folder, and only chat templates of GGUF files are rendered", RAW)
    values = read_header(Path(model.path)).values
    template = values.get("tokenizer.chat_template")
    if not isinstance(template, bytes):
        raise ModelError(f"{model.path}: the file has no chat template", RAW)
    bos, eos = _special_tokens(tokenizer, values)
    try:
        return render(template.decode("utf-8"), prompt, bos=bos, eos=eos)
    except Exception as error:
        # A template is a program that comes with the model: it may raise anything.
        raise ModelError(f"{model.path}: its chat template can't render a user's turn: {error}", RAW) from error


def render(template: str, prompt: str, *, bos: str, eos: str) -> str:
    """The template over one message. Raises whatever the template does."""
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False, **options)
    environment.globals |= {"raise_exception": _raise, "strftime_now": lambda form: datetime.now().strftime(form)}
    return environment.from_string(template).render(
        messages=[{"role": "user", "content": prompt}], add_generation_prompt=True, bos_token=bos, eos_token=eos
    )


def _raise(message: str) -> NoReturn:
    from jinja2 import TemplateError

    raise TemplateError(message)


def _special_tokens(tokenizer: Path, values: dict[str, Any]) -> tuple[str, str]:
    """The texts of the begin and end tokens; empty where the model names none."""
    loaded = load_tokenizer(tokenizer)
    ids = (values.get(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos"))
    bos, eos = (loaded.id_to_token(k) or "" if isinstance(k, int) else "" for k in ids)
    return bos, eos
