"""The prompt of each test in each model's own chat template, rendered once a run.

A template may print the time, and all runtimes have to be asked the same."""

import json

from parity.config import test_spec
from parity.errors import ModelError
from parity.models.template import chat_turn, holds
from parity.records import ModelFacts
from parity.redaction import known, mask_of
from parity.run.log import CHAT_TURNS, RunFolder
from parity.run.session import Session


def render_prompts(session: Session, models: tuple[ModelFacts, ...], *, needed: bool) -> None:
    """Keeps the rendered prompts in the run folder, and those with a secret in memory alone. Where a template can't be
    rendered here, workers try by themselves; `needed`: some runtimes take nothing else, so that it is worth a note."""
    folder = session.folder
    turns = _read(folder)
    for model in models:
        try:
            for test in session.loaded.config.tests:
                key = _key(model.name, test.name)
                if test.raw or key in turns:
                    continue
                prompt = test_spec(session.loaded, test).prompt
                turn = chat_turn(model, prompt)
                secret = mask_of(known() | frozenset(session.loaded.secrets)).found_in(turn)
                (session.turns if secret else turns)[key] = turn
                if not holds(turn, prompt):
                    session.progress.note(f"{model.name}: its chat template leaves the prompt of {test.name} out")
        except ModelError as error:
            if needed:
                session.progress.note(f"{model.name}: {error}")
    folder.write(CHAT_TURNS, json.dumps(turns, indent=2) + "\n")


def rendered_prompt(session: Session, model: str, test: str) -> str | None:
    """The turn that was rendered for a model and a test; None where there is none."""
    key = _key(model, test)
    return session.turns.get(key) or _read(session.folder).get(key)


def _read(folder: RunFolder) -> dict[str, str]:
    found: dict[str, str] = folder.read_json(CHAT_TURNS) or {}
    return found


def _key(model: str, test: str) -> str:
    return f"{model} · {test}"
