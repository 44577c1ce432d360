"""`prompt_as`: every runtime of a test is given the text that one of them makes of the prompt."""

from pathlib import Path

import pytest

from parity.config import LoadedConfig, load_config
from parity.config import test_spec as spec_of
from parity.errors import ConfigError
from parity.registry import UnknownAdapterError, prompt_as, settings_of
from parity.run.performing import job_test
from parity_adapters.paraphym.prompt import compose

QUERY = "What is 2+2?"
CONFIG = """
baseline = "one"
[[models]]
name = "m"
source = "m.gguf"
[[tests]]
name = "composed"
prompt = "What is 2+2?"
prompt_as = "paraphym"
max_tokens = 50
short_tokens = 10
[[tests]]
name = "plain"
prompt = "What is 2+2?"
max_tokens = 5
[runtimes.one]
adapter = "command"
program = "one"
events = true
"""


def load(folder: Path, adapter: str = "paraphym") -> LoadedConfig:
    path = folder / "case.toml"
    path.write_text(CONFIG.replace('"paraphym"', f'"{adapter}"'), encoding="utf-8")
    return load_config(path, settings_of, {}, prompt_as=prompt_as)


@pytest.mark.parametrize("kind", ["full", "short", "whole"])
def test_the_composed_text_reaches_every_job_and_the_query_stays_for_display(tmp_path: Path, kind: str) -> None:
    loaded = load(tmp_path)
    job = job_test(loaded, loaded.config.tests[0], kind)  # type: ignore[arg-type]
    assert job.prompt == compose(QUERY) != QUERY
    assert job.query == QUERY
    assert job.max_tokens == (10 if kind == "short" else 50)


def test_a_test_without_it_is_given_its_prompt_as_it_stands(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    spec = spec_of(loaded, loaded.config.tests[1])
    assert (spec.prompt, spec.query) == (QUERY, None)
    assert list(loaded.sent) == ["composed"]


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        ("paraphim", "there is no adapter 'paraphim' did you mean 'paraphym'?"),
        ("candle", "the adapter 'candle' sends a prompt as it is leave out `prompt_as`"),
    ],
)
def test_an_adapter_that_cannot_compose_is_a_problem_of_that_key(tmp_path: Path, adapter: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, adapter)
    assert f"tests.composed.prompt_as: {message}" in " ".join(str(caught.value).split())


def test_a_program_that_knows_no_adapters_composes_nothing(tmp_path: Path) -> None:
    load(tmp_path)
    with pytest.raises(ConfigError, match="prompts can't be composed here"):
        load_config(tmp_path / "case.toml", settings_of, {})


def test_the_hook_needs_neither_settings_nor_a_checkout() -> None:
    assert prompt_as("paraphym", QUERY) == compose(QUERY)
    assert prompt_as("paraphym", compose(QUERY)) == compose(QUERY)
    with pytest.raises(UnknownAdapterError, match="sends a prompt as it is"):
        prompt_as("llama_cpp", QUERY)
